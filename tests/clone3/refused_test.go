// The tests in this file need a series with offsets. A kernel without one says
// E2BIG to all of them.

package clone3

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// The kernel is of the design that its series was planned for, or all other
// tests would ask for something else than they mean.
func TestKernelHasDesign(t *testing.T) {
	planned := design.Need(t)
	if has, err := design.Ask(); err != nil || has != planned || has == design.None {
		t.Errorf("the kernel's design is %q, %v; planned is %s", has, err, planned)
	}
}

// The answer tells user space, without any child, that the kernel knows the
// members: one that does not says E2BIG.
func TestOffsetsRefusedWithoutNewTime(t *testing.T) {
	kernel := design.Need(t)
	for name, flags := range map[string]uint64{"none": 0, "uts": unix.CLONE_NEWUTS, "vfork": unix.CLONE_VM | unix.CLONE_VFORK} {
		t.Run(name, func(t *testing.T) {
			args := kernel.Args(timens.Ahead)
			args.Flags = flags
			design.Refuse(t, args, unix.EINVAL)
		})
	}
}

// A thread can enter a time namespace only when it is the last one of its
// process, as execve() makes it.
func TestOffsetsRefusedWithThread(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Ahead)
	args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	args.ExitSignal = 0
	design.Refuse(t, args, unix.EINVAL)
}

// No clock may be set below zero or too high, however large the offset is.
func TestOffsetsRefusedRange(t *testing.T) {
	kernel := design.Need(t)
	mono, boot := timens.Now(t, timens.Clocks[0]), timens.Now(t, timens.Clocks[1])
	limit := time.Duration(secMax) * time.Second
	for name, bad := range map[string]time.Duration{
		"before zero":          -max(mono, boot) - time.Minute,
		"below half":           -maxClock,
		"smallest offset":      -limit,
		"offset too small":     -limit - 1,
		"least number":         math.MinInt64,
		"least number but one": math.MinInt64 + 1,
		"clock too large":      maxClock + time.Second,
		"largest offset":       limit,
		"largest number":       math.MaxInt64,
	} {
		t.Run(name, func(t *testing.T) {
			design.Refuse(t, kernel.Args(timens.Offsets{Monotonic: bad, Boottime: time.Second}), unix.ERANGE)
			design.Refuse(t, kernel.Args(timens.Offsets{Monotonic: time.Second, Boottime: bad}), unix.ERANGE)
			design.Refuse(t, kernel.Args(timens.Offsets{Monotonic: bad, Boottime: bad}), unix.ERANGE)
		})
	}
}

// Without the capability nothing is told about the range. Only offsets need it.
func TestOffsetsRefusedWithoutCapSysTime(t *testing.T) {
	kernel := design.Need(t)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		design.Refuse(t, kernel.Args(timens.Ahead), unix.EPERM)
		for _, bad := range outOfRange {
			design.Refuse(t, kernel.Args(bad), unix.EPERM)
		}
		p := timens.NewProgram(t)
		timens.Run(t, design.Launch(design.NewTime()), p)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Who may not make a time namespace may not make one with offsets.
func TestOffsetsRefusedWithoutCapSysAdmin(t *testing.T) {
	kernel := design.Need(t)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		design.Refuse(t, kernel.Args(timens.Ahead), unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
