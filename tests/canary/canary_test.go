// Package canary holds guests that behave in one known way each, to be run with
// "vmtest run -tests tests/canary": what the harness must say of them is known
// beforehand.
package canary

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inGuest skips a test on a machine that it would hurt: only the guest's
// binaries lie in /tests.
func inGuest(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/tests/canary.test"); err != nil || os.Getuid() != 0 {
		t.Skip("this test harms the machine it runs on; run it by vmtest run -tests tests/canary")
	}
}

// TestPass does nothing. A run of it costs what the harness itself costs.
func TestPass(*testing.T) {}

// TestFail fails.
func TestFail(t *testing.T) { t.Error("this fails on purpose") }

// TestSkip skips.
func TestSkip(t *testing.T) { t.Skip("this skips on purpose") }

// TestGoPanic panics.
func TestGoPanic(*testing.T) { panic("on purpose") }

// TestExit ends its process as if all were well.
func TestExit(t *testing.T) {
	inGuest(t)
	os.Exit(0)
}

// TestSleepForEver is over its time.
func TestSleepForEver(t *testing.T) {
	inGuest(t)
	time.Sleep(time.Hour)
}

// TestKernelPanic makes the kernel panic by SysRq-C.
func TestKernelPanic(t *testing.T) {
	inGuest(t)
	if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
		t.Fatal(err)
	}
}

// TestReset resets the machine, which the kernel does without a word of alarm.
func TestReset(t *testing.T) {
	inGuest(t)
	t.Fatal(unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

// TestStopUinit stops the program that should end this test when its time is
// over: only the host can.
func TestStopUinit(t *testing.T) {
	inGuest(t)
	if err := unix.Kill(os.Getppid(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
}
