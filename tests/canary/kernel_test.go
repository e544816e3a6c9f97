// SPDX-License-Identifier: BSD-3-Clause

package canary

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// lkdtm opens the file that triggers LKDTM, the kernel's own crash test.
func lkdtm(t *testing.T) *os.File {
	t.Helper()
	err := unix.Mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		t.Fatal(err)
	}
	f, err := os.OpenFile("/sys/kernel/debug/provoke-crash/DIRECT", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// provoke lets LKDTM break the kernel in one way.
func provoke(t *testing.T, crash string) {
	t.Helper()
	if _, err := lkdtm(t).WriteString(crash); err != nil {
		t.Fatal(err)
	}
}

// TestWarn passes, while the kernel warns.
func TestWarn(t *testing.T) {
	inGuest(t)
	provoke(t, "WARNING")
}

// TestSilencedWarn passes, while the kernel warns on a console that the test
// has silenced.
func TestSilencedWarn(t *testing.T) {
	inGuest(t)
	write(t, "/sys/module/printk/parameters/ignore_loglevel", "N")
	write(t, "/proc/sys/kernel/printk", "1")
	provoke(t, "WARNING")
}

// TestOops lets the kernel write to a null pointer, which kills the test's
// process.
func TestOops(t *testing.T) {
	inGuest(t)
	provoke(t, "EXCEPTION")
}

// TestKernelPanic lets the kernel panic by SysRq-C.
func TestKernelPanic(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sysrq-trigger", "c")
}

// TestSoftLockup loops in the kernel and never gives up its CPU.
func TestSoftLockup(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sys/kernel/watchdog_thresh", "2")
	write(t, "/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress", "1") // RCU would also report it, later
	provoke(t, "SOFTLOCKUP")
}

// TestRCUStall loops in the kernel with the soft lockup watchdog off, so that
// RCU reports it.
func TestRCUStall(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sys/kernel/soft_watchdog", "0")
	write(t, "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout", "3")
	provoke(t, "SOFTLOCKUP")
}

// TestHungTask sleeps in the kernel and cannot be killed.
func TestHungTask(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sys/kernel/hung_task_timeout_secs", "1")
	write(t, "/proc/sys/kernel/hung_task_warnings", "1")
	provoke(t, "HUNG_TASK")
}

// TestHardHang disables interrupts on all CPUs forever.
func TestHardHang(t *testing.T) {
	inGuest(t)
	var waiting atomic.Int32
	waiting.Store(int32(runtime.NumCPU()))
	failed := make(chan error)
	for cpu := range runtime.NumCPU() {
		f := lkdtm(t) // one for each CPU: a write locks the file
		go func() {
			runtime.LockOSThread()
			var one unix.CPUSet
			one.Set(cpu)
			err := unix.SchedSetaffinity(0, &one)
			// No lock: when one CPU hangs, the others cannot wake
			// a waiter.
			for waiting.Add(-1); waiting.Load() > 0; {
			}
			if err == nil {
				_, err = unix.Write(int(f.Fd()), []byte("HARDLOCKUP"))
			}
			failed <- err
		}()
	}
	t.Fatal(<-failed)
}

// TestMemoryLeak lets the kernel leak memory, and passes.
func TestMemoryLeak(t *testing.T) {
	inGuest(t)
	provoke(t, "MEMORY_LEAK")
}

// TestOutOfMemory takes more memory than there is.
func TestOutOfMemory(t *testing.T) {
	inGuest(t)
	const chunk = 16 << 20
	for {
		block, err := unix.Mmap(-1, 0, chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < chunk; i += os.Getpagesize() {
			block[i] = 1
		}
	}
}

// TestOutOfSharedMemory fills memory that belongs to a file. The kernel does not
// count it as the test's own, so other processes look larger to the kernel.
func TestOutOfSharedMemory(t *testing.T) {
	inGuest(t)
	fd, err := unix.MemfdCreate("canary", 0)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<20); ; {
		if _, err := unix.Write(fd, chunk); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReset resets the machine, which the kernel does without a message.
func TestReset(t *testing.T) {
	inGuest(t)
	t.Fatal(unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

// TestPowerOff shuts the machine down normally.
func TestPowerOff(t *testing.T) {
	inGuest(t)
	t.Fatal(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}
