// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets. A kernel without one
// returns E2BIG for all of their calls.

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

// The kernel's clone3() has the design that the series was planned with.
// Otherwise the other tests would pass offsets that the kernel reads in another
// way.
func TestKernelHasDesign(t *testing.T) {
	planned := design.Need(t)
	if has, err := design.Ask(); err != nil || has != planned || has == design.None {
		t.Errorf("the kernel's design is %q (%v), want %s as planned", has, err, planned)
	}
}

// Offsets without CLONE_NEWTIME are refused with EINVAL. A kernel that does not
// know the members returns E2BIG, so user space can tell the kernels apart without
// making a child.
func TestOffsetsRefusedWithoutNewTime(t *testing.T) {
	kernel := design.Need(t)
	for name, flags := range map[string]uint64{"none": 0, "uts": unix.CLONE_NEWUTS, "vfork": unix.CLONE_VM | unix.CLONE_VFORK} {
		t.Run(name, func(t *testing.T) {
			args := kernel.Args(timens.Ahead)
			args.Flags = args.Flags&^unix.CLONE_NEWTIME | flags
			design.Refuse(t, args, unix.EINVAL)
		})
	}
}

// A new thread with offsets is refused with EINVAL: a process with several
// threads cannot enter a time namespace.
func TestOffsetsRefusedWithThread(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Ahead)
	args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	args.ExitSignal = 0
	design.Refuse(t, args, unix.EINVAL)
}

// An offset that is out of range, or that sets its clock out of range, is refused
// with ERANGE.
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

// Without CAP_SYS_TIME, offsets are refused with EPERM before their range is
// checked. Inheriting offsets does not need it.
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

// Without CAP_SYS_ADMIN, a new time namespace with offsets is refused with
// EPERM.
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
