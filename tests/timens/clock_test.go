// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

func TestClockReadVDSO(t *testing.T)    { testClockRead(t, clock.VDSOs) }
func TestClockReadSyscall(t *testing.T) { testClockRead(t, clock.Syscalls) }

func testClockRead(t *testing.T, vias []clock.Via) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, via := range vias {
			t.Run(ns.Name+"/"+via.String(), func(t *testing.T) {
				timens.CheckShifts(t, timens.Measure(t, timens.Unshared(ns.Offsets), via, timens.Shifted...), ns.Offsets)
			})
		}
	}
}

// Clock readings are right even if the nanoseconds of clock and offset add up to
// more than a second. With an offset of 999999999 ns they nearly always do, and
// with one of 1 ns nearly never.
func TestClockReadCarriesNanoseconds(t *testing.T) {
	timens.Need(t)
	for _, offsets := range []timens.Offsets{
		{Monotonic: time.Hour + 999999999, Boottime: -1},
		{Monotonic: -1, Boottime: time.Hour + 999999999},
		{Monotonic: time.Hour + 1, Boottime: -time.Second + 1},
		{Monotonic: -time.Second + 1, Boottime: time.Hour + 1},
	} {
		for _, via := range clock.Vias {
			timens.CheckShifts(t, timens.Measure(t, timens.Unshared(offsets), via, timens.Shifted...), offsets)
		}
	}
}

// clone3(CLONE_NEWTIME) starts its child in a new namespace, and the child
// reads its clocks with the inherited offsets.
func TestClockReadAfterClone3(t *testing.T) {
	timens.Need(t)
	newTime := func(p *clone.Program) (*clone.Child, error) {
		return clone.Start(&clone.Args{Flags: unix.CLONE_NEWTIME, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, p)
	}
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			timens.WithPending(t, ns.Offsets, func() {
				timens.CheckShifts(t, timens.Measure(t, newTime, via, timens.Shifted...), ns.Offsets)
			})
		}
	}
}

// After execve() in the new namespace the program reads its clocks, by a new
// vDSO, with the offsets.
func TestClockReadAfterExec(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			p := timens.NewProgram(t)
			unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
			write := p.WriteFile(offsetsFile, ns.Offsets.String())
			for _, shifts := range timens.MeasureExec(t, timens.Fork, p, "clocks", nil) {
				timens.CheckShifts(t, shifts, ns.Offsets)
			}
			if err := errors.Join(unshare.Err(), write.Err()); err != nil {
				t.Fatalf("make the namespace: %v", err)
			}
		})
	}
}

// setns() shifts the clocks of a running program that has already used its
// vDSO, on the way into a namespace and on the way back.
func TestClockReadAfterSetns(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			t.Run(ns.Name+"/"+via.String(), func(t *testing.T) {
				p := timens.NewProgram(t)
				p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
				write := p.WriteFile(offsetsFile, ns.Offsets.String())
				read := func() map[clock.ID]clone.Reading {
					readings := make(map[clock.ID]clone.Reading)
					for _, id := range timens.Shifted {
						readings[id] = p.ClockGettime(id, via)
					}
					return readings
				}
				outside := read()
				enter := p.Setns(children, unix.CLONE_NEWTIME)
				inside := read()
				leave := p.Setns(fmt.Sprintf("/proc/%d/ns/time", os.Getpid()), unix.CLONE_NEWTIME)
				back := read()

				before := readAll(t, timens.Shifted)
				timens.Run(t, timens.Fork, p)
				after := readAll(t, timens.Shifted)
				if err := errors.Join(write.Err(), enter.Err(), leave.Err()); err != nil {
					t.Fatalf("write the offsets, enter, leave: %v", err)
				}
				for _, stage := range []struct {
					name     string
					readings map[clock.ID]clone.Reading
					want     timens.Offsets
				}{
					{"before setns()", outside, timens.Offsets{}},
					{"after setns()", inside, ns.Offsets},
					{"after setns() back", back, timens.Offsets{}},
				} {
					for id, reading := range stage.readings {
						got := timens.Time(t, reading)
						shift := timens.Interval{Low: got - after[id], High: got - before[id]}
						if want := stage.want.Of(id); !shift.Contains(want) {
							t.Errorf("%s %v by %v is off by %v, want %v", stage.name, id, via, shift, want)
						}
					}
				}
			})
		}
	}
}

// Neither unshare() nor a child that enters the namespace shifts the clocks of
// the parent.
func TestClockReadParentUnaffected(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		before := readAll(t, timens.Shifted)
		timens.WithPending(t, ns.Offsets, func() {
			timens.Run(t, timens.Fork, timens.NewProgram(t))
			for _, id := range timens.Shifted {
				for _, via := range clock.Vias {
					got, err := clock.Read(id, via)
					after := timens.Now(t, id)
					if err != nil || got < before[id] || got > after {
						t.Errorf("after its child entered a namespace with offset %v, the parent reads %v by %v as %v (%v), want it in [%v, %v]",
							ns.Offsets.Of(id), id, via, got, err, before[id], after)
					}
				}
			}
		})
	}
}

func readAll(t *testing.T, ids []clock.ID) map[clock.ID]time.Duration {
	t.Helper()
	now := make(map[clock.ID]time.Duration)
	for _, id := range ids {
		now[id] = timens.Now(t, id)
	}
	return now
}
