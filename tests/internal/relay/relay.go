// SPDX-License-Identifier: BSD-3-Clause

// Package relay passes data from a test to a test in a later guest.
//
// The later test has a directive "//vmtest:after TestX" in its comment. TestX,
// in the same package, leaves the data. A developer's own machine has no later
// guest, so both skip there.
package relay

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/internal/wire"
)

// file is the name of the file that a test leaves.
const file = "left.json"

// Need skips a test if there is no guest before or after its own.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(wire.LeaveEnv) == "" { // uinit sets it for every test
		t.Skip("needs two machines, one after the other; `make vmtest` has them")
	}
}

// Leave keeps v for the later test.
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

// Find returns what the earlier test has left.
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
