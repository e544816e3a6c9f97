// Package canary holds guests that behave in one known way each. What the
// harness must say of each is written down in behaviours.txtar; "make canary"
// runs them all and compares. One alone: "vmtest run -tests tests/canary".
package canary

import (
	"math"
	"os"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// inGuest skips a test on a developer's machine, which it would hurt or where it
// would fail: only the guest has its binaries in wire.TestDir.
func inGuest(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(wire.TestBinary("canary")); err != nil || os.Getuid() != 0 {
		t.Skip("this test misbehaves on purpose; run it by vmtest run -tests tests/canary")
	}
}

// write writes text to a file of the kernel's in one call.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// TestFail fails.
func TestFail(t *testing.T) {
	inGuest(t)
	t.Error("this fails on purpose")
}

// TestSkip skips.
func TestSkip(t *testing.T) { t.Skip("this skips on purpose") }

// TestGoPanic panics.
func TestGoPanic(t *testing.T) {
	inGuest(t)
	panic("on purpose")
}

// TestExit ends its process as if all were well.
func TestExit(t *testing.T) {
	inGuest(t)
	os.Exit(0)
}

// TestSleepForEver is over its time.
func TestSleepForEver(t *testing.T) {
	inGuest(t)
	time.Sleep(math.MaxInt64)
}
