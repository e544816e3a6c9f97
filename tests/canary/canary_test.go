// SPDX-License-Identifier: BSD-3-Clause

// Package canary has guests that misbehave, each in one known way.
// behaviours.txt lists what the harness must report of each. "make canary"
// boots all of them and compares. To run a single one: "vmtest run -tests
// tests/canary".
package canary

import (
	"math"
	"os"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// inGuest skips a test on a developer's machine, where it would do harm or fail.
// Only a guest has its binaries in wire.TestDir.
func inGuest(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(wire.TestBinary("canary")); err != nil || os.Getuid() != 0 {
		t.Skip("this test misbehaves on purpose; run it by vmtest run -tests tests/canary")
	}
}

// write writes text to a kernel file with one write().
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

// TestSleepForEver exceeds its timeout.
func TestSleepForEver(t *testing.T) {
	inGuest(t)
	time.Sleep(math.MaxInt64)
}
