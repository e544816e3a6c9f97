// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// The first and the last auxiliary clock.
const (
	auxFirst clock.ID = 16
	auxLast  clock.ID = auxFirst + 7
)

// needAux skips the test on a kernel that has no auxiliary clocks: it does not know
// their IDs.
func needAux(t *testing.T) {
	t.Helper()
	_, err := clock.Read(auxLast, clock.Syscall)
	lacks(t, "an auxiliary clock", err, unix.EINVAL)
	if err != unix.ENODEV {
		t.Errorf("read of an auxiliary clock that is disabled: %v, want %v", err, unix.ENODEV)
	}
}

// enableAux enables an auxiliary clock until the end of the test, and sets it.
func enableAux(t *testing.T, id clock.ID, to time.Duration) {
	t.Helper()
	file := fmt.Sprintf("/sys/kernel/time/aux_clocks/%d/aux_clock_enable", id-auxFirst)
	if err := os.WriteFile(file, []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			t.Error(err)
		}
	})
	p := timens.NewProgram(t)
	ts := clone.Alloc[abi.Timespec](p)
	*ts = abi.Time64.Timespec(to)
	set := p.Syscall(abi.Time64.Nr(abi.ClockSettime), uintptr(id), clone.Addr(ts))
	timens.Run(t, timens.Fork, p)
	if err := set.Err(); err != nil {
		t.Fatalf("clock_settime of auxiliary clock %d: %v", id-auxFirst, err)
	}
}

// An auxiliary clock is not shifted: a time namespace shows what it shows outside, by
// the vDSO and by the system call.
func TestAuxClockUnshifted(t *testing.T) {
	timens.Need(t)
	needAux(t)
	ids := []clock.ID{auxFirst, auxFirst + 3, auxLast}
	for i, id := range ids {
		enableAux(t, id, time.Duration(i+1)*1000*time.Hour)
	}
	testUnshifted(t, func(p *clone.Program, via clock.Via) map[string]func() (time.Duration, error) {
		return readings(p, via, ids)
	})
}

// A time namespace shows neither an auxiliary clock that is disabled nor one that was
// disabled later: clock_gettime() fails with ENODEV, by the vDSO as well.
func TestAuxClockDisabled(t *testing.T) {
	timens.Need(t)
	needAux(t)
	t.Run("enabled", func(t *testing.T) { enableAux(t, auxFirst, time.Hour) }) // and disabled again
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			p := timens.NewProgram(t)
			late, never := p.ClockGettime(auxFirst, via), p.ClockGettime(auxLast, via)
			timens.Run(t, timens.Unshared(ns.Offsets), p)
			for what, err := range map[string]error{"was disabled": late.Err(), "was never enabled": never.Err()} {
				if err != unix.ENODEV {
					t.Errorf("read by %v of an auxiliary clock that %s: %v, want %v", via, what, err, unix.ENODEV)
				}
			}
		}
	}
}
