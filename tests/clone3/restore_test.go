// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

// image is what a checkpoint keeps of a process's time.
type image struct {
	Clocks timens.Offsets // what they showed; offsets of a clock that begins with 0
	Due    timens.Offsets // absolute timers
	Rest   timens.Offsets // relative ones
}

// restoredPID is the one that the process had and gets again.
const restoredPID = 42

// delay is how far timers are ahead of a checkpoint, and how long a machine is
// down after it.
const delay = 30 * time.Millisecond

// checkpoint takes the image of a process that launch starts.
func checkpoint(t *testing.T, launch clone.Launcher) image {
	t.Helper()
	p := timens.NewProgram(t)
	mono := p.ClockGettime(clock.Monotonic, clock.VDSO)
	boot := p.ClockGettime(clock.Boottime, clock.VDSO)
	timens.Run(t, launch, p)
	return newImage(timens.Time(t, mono), timens.Time(t, boot))
}

func newImage(mono, boot time.Duration) image {
	return image{
		Clocks: timens.Offsets{Monotonic: mono, Boottime: boot},
		Due:    timens.Offsets{Monotonic: mono + 2*delay, Boottime: boot + 3*delay},
		Rest:   timens.Offsets{Monotonic: delay, Boottime: 2 * delay},
	}
}

// offsets are those with which the clocks go on from the image, computed while
// the initial ones show now.
func (i image) offsets(now timens.Offsets) timens.Offsets {
	return timens.Offsets{Monotonic: i.Clocks.Monotonic - now.Monotonic, Boottime: i.Clocks.Boottime - now.Boottime}
}

// restoration is the life of the process after a restore.
type restoration struct {
	pid   clone.Result
	first map[clock.ID]clone.Reading // by its first instructions
	waits []wait
	rests map[clock.ID]wait // relative: due is the rest
	last  map[clock.ID]clone.Reading
	fork  clone.Result
}

// restore adds to p, a first process, one call that brings the process back.
func restore(kernel design.Name, p *clone.Program, i image, now timens.Offsets) *restoration {
	r := &restoration{first: make(map[clock.ID]clone.Reading), rests: make(map[clock.ID]wait), last: make(map[clock.ID]clone.Reading)}
	child := p.Sub()
	for _, id := range timens.Clocks {
		r.first[id] = child.ClockGettime(id, clock.VDSO)
	}
	r.pid = child.Syscall(unix.SYS_GETPID)
	for _, id := range timens.Clocks {
		sleep := child.Syscall(abi.Time64.Nr(abi.ClockNanosleep), uintptr(id), 0, timespec(child, i.Rest.Of(id)), 0)
		r.rests[id] = wait{"relative clock_nanosleep", 0, sleep, i.Rest.Of(id), child.ClockGettime(id, clock.VDSO)}
		for _, add := range waitsOn(id) {
			r.waits = append(r.waits, add(child, id, i.Due.Of(id)))
		}
	}
	for _, id := range timens.Clocks {
		r.last[id] = child.ClockGettime(id, clock.Syscall)
	}
	args := kernel.Args(i.offsets(now))
	args.SetTID, args.SetTIDSize = p.PIDs(restoredPID), 1
	r.fork = p.Fork(args, clone.SizeVer3, child)
	p.Wait(r.fork)
	return r
}

// check says what is wrong with the life, and returns the image that a further
// checkpoint at its end would take.
func (r *restoration) check(t *testing.T, old image, took timens.Offsets) image {
	t.Helper()
	if pid, err := r.pid.Value(); err != nil || pid != restoredPID {
		t.Errorf("getpid is %d, %v, want %d", pid, err, restoredPID)
	}
	for _, id := range timens.Clocks {
		first := timens.Time(t, r.first[id])
		if before := old.Clocks.Of(id); first < before || first > before+took.Of(id) {
			t.Errorf("%v was %v and is %v, want it from 0 to %v later", id, before, first, took.Of(id))
		}
		rest := r.rests[id]
		if err := rest.call.Err(); err != nil {
			t.Errorf("%v: %s: %v", id, rest.name, err)
		}
		if woke := timens.Time(t, rest.woke); woke < first+rest.due {
			t.Errorf("%v: a rest of %v ended after %v", id, rest.due, woke-first)
		}
	}
	for _, w := range r.waits {
		if err := w.call.Err(); err != w.want && (err != nil || w.want != 0) {
			t.Errorf("%s: %v, want %v", w.name, err, w.want)
		}
		if woke := timens.Time(t, w.woke); woke < w.due {
			t.Errorf("%s until %v ended at %v, %v early", w.name, w.due, woke, w.due-woke)
		}
	}
	return newImage(timens.Time(t, r.last[clock.Monotonic]), timens.Time(t, r.last[clock.Boottime]))
}

func initialClocks(t *testing.T) timens.Offsets {
	t.Helper()
	return timens.Offsets{Monotonic: timens.Now(t, clock.Monotonic), Boottime: timens.Now(t, clock.Boottime)}
}

// firstProcess launches one that may give PIDs.
func firstProcess(p *clone.Program) (*clone.Child, error) {
	return clone.Start(&clone.Args{Flags: unix.CLONE_NEWPID, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer1, p)
}

// What the call is for: a process of a machine that has been up for days goes on
// on one that was booted just now, several times. Its clocks do not go back by a
// nanosecond, its timers are due when they were said to be, and it has its PID.
func TestOffsetsRestore(t *testing.T) {
	kernel := design.Need(t)
	for _, machine := range namespaces {
		t.Run(machine.name, func(t *testing.T) {
			i := checkpoint(t, timens.Unshared(machine.offsets))
			for range 2 {
				time.Sleep(delay)
				p := timens.NewProgram(t)
				began := initialClocks(t)
				r := restore(kernel, p, i, began)
				timens.Run(t, firstProcess, p)
				if err := r.fork.Err(); err != nil {
					t.Fatalf("clone3: %v", err)
				}
				ended := initialClocks(t)
				took := timens.Offsets{Monotonic: ended.Monotonic - began.Monotonic, Boottime: ended.Boottime - began.Boottime}
				i = r.check(t, i, took)
			}
		})
	}
}

// A restorer that is in a namespace itself does not see the initial clocks. It
// has to take off its own offsets, which /proc tells.
func TestOffsetsRestoreNested(t *testing.T) {
	kernel := design.Need(t)
	for _, machine := range namespaces {
		for _, container := range namespaces[:2] {
			t.Run(machine.name+" in "+container.name, func(t *testing.T) {
				i := checkpoint(t, timens.Unshared(machine.offsets))
				before := initialClocks(t)
				got := probe.Run[timens.Offsets](t, timens.Unshared(container.offsets), "restore", restoreNested{kernel, i})
				after := initialClocks(t)
				for _, id := range timens.Clocks {
					low := i.Clocks.Of(id)
					if high := low + after.Of(id) - before.Of(id); got.Of(id) < low || got.Of(id) > high {
						t.Errorf("%v was %v and is %v, want it in [%v, %v]", id, low, got.Of(id), low, high)
					}
				}
			})
		}
	}
}

type restoreNested struct {
	Kernel design.Name
	Image  image
}

// restoreInside is the probe "restore". It returns the first readings of the
// process that it restores.
func restoreInside(in restoreNested) (out timens.Offsets, err error) {
	own, err := timens.ReadOffsets()
	if err != nil {
		return out, err
	}
	var now timens.Offsets
	for id, to := range map[clock.ID]*time.Duration{clock.Monotonic: &now.Monotonic, clock.Boottime: &now.Boottime} {
		seen, err := clock.Read(id, clock.Syscall)
		if err != nil {
			return out, err
		}
		*to = seen - own.Of(id)
	}
	p, err := clone.NewProgram()
	if err != nil {
		return out, err
	}
	defer p.Close()
	mono, boot := p.ClockGettime(clock.Monotonic, clock.VDSO), p.ClockGettime(clock.Boottime, clock.VDSO)
	child, err := design.Launch(in.Kernel.Args(in.Image.offsets(now)))(p)
	if err != nil {
		return out, fmt.Errorf("clone3: %w", err)
	}
	if _, err := child.Wait(timens.Patience); err != nil {
		return out, err
	}
	if out.Monotonic, err = mono.Time(); err != nil {
		return out, err
	}
	out.Boottime, err = boot.Time()
	return out, err
}
