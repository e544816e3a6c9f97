// Package relay takes what a test has found out to a test of a later guest.
//
// That is one with a directive in its comment, "//vmtest:after TestX", where
// TestX of the same package leaves what it is to find. Neither can be told to
// go test on a developer's own machine, which both skip.
package relay

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/internal/wire"
)

// file is what a test leaves.
const file = "left.json"

// Need skips a test that has no guest before or after its own.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(wire.LeaveEnv) == "" { // uinit sets it for every test
		t.Skip("needs two machines, one after the other; `make vmtest` has them")
	}
}

// Leave keeps v for the test that comes after this one.
func Leave(t testing.TB, v any) {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir := os.Getenv(wire.LeaveEnv)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Find returns what the test that this one comes after has kept.
func Find[T any](t testing.TB) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv(wire.LeftEnv), file))
	if err != nil {
		t.Fatalf("nothing was left for this test: %v", err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%q was left: %v", text, err)
	}
	return v
}
