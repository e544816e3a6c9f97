// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// clocksource is the file that names the clock source. The vDSO cannot read
// every one, for example not jiffies.
const clocksource = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

// A clock reading by the system call lies between two readings by the vDSO, to
// the nanosecond: both compute the same sum.
func TestClockReadVDSOAgreesWithSyscall(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, id := range timens.Shifted {
			t.Run(ns.Name+"/"+id.String(), func(t *testing.T) {
				timens.CheckOrder(t, timens.Unshared(ns.Offsets), id)
			})
		}
	}
}

// The vDSO reads shifted clocks without a system call. A fallback to the system
// call would return right values and hide a broken vDSO. So RDTSC is forbidden
// in a child: the child must die when it reads by the vDSO, which executes
// RDTSC, and must not die when it reads by the system call.
func TestClockReadVDSOIsNoSyscall(t *testing.T) {
	timens.Need(t)
	for _, id := range []clock.ID{clock.Monotonic, clock.Boottime, clock.MonotonicRaw} {
		for _, via := range clock.Vias {
			var want unix.Signal
			if via.IsVDSO() {
				want = unix.SIGSEGV
			}
			t.Run(id.String()+"/"+via.String(), func(t *testing.T) {
				p := timens.NewProgram(t)
				p.Syscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
				forbid := p.Syscall(unix.SYS_PRCTL, unix.PR_SET_TSC, unix.PR_TSC_SIGSEGV)
				p.ClockGettime(id, via)
				child, err := timens.Unshared(timens.Ahead)(p)
				if err != nil {
					t.Fatal(err)
				}
				status, err := child.Wait(timens.Patience)
				if err != nil {
					t.Fatal(err)
				}
				if err := forbid.Err(); err != nil {
					t.Fatalf("prctl(PR_SET_TSC): %v", err)
				}
				if got := unix.Signal(status & 0x7f); got != want {
					source, err := os.ReadFile(clocksource)
					t.Errorf("the child ended by signal %d, want %d; the clocksource is %q (%v)", got, want, source, err)
				}
			})
		}
	}
}
