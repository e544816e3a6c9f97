// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// restoredPID is the PID of the process before the checkpoint and after the
// restore.
const restoredPID = 42

// restoration is the life of a process after a restore.
type restoration struct {
	image         image
	now           timens.Offsets             // initial clocks when the offsets were computed
	before, after map[clock.ID]clone.Reading // initial clocks, read by the restorer
	fork          clone.Result
	pid           clone.Result
	first         []reading // of its first instructions
	offsets       clone.Contents
	rests         []wait // for relative timers: due is what was left
	waits         []wait
	last          map[clock.ID]clone.Reading
}

// reading is a reading of a clock in one way.
type reading struct {
	id  clock.ID
	via clock.Via
	clone.Reading
}

// readBothWays reads all clocks by the vDSO first, then by the system call.
func readBothWays(p *clone.Program) (all []reading) {
	for _, via := range []clock.Via{clock.VDSO, clock.Syscall} {
		for _, id := range timens.Clocks {
			all = append(all, reading{id, via, p.ClockGettime(id, via)})
		}
	}
	return all
}

// restore adds to p, which is the first process of a PID namespace, one
// clone3() that restores the process of image i. The initial clocks show now.
func restore(kernel design.Name, p *clone.Program, i image, now timens.Offsets) *restoration {
	child := p.Sub()
	r := &restoration{image: i, now: now, first: readBothWays(child)}
	var timers []clone.Result
	for _, id := range timens.Clocks {
		timers = append(timers, armTimerfd(child, id, 0, i.Rest.Of(id)))
	}
	r.pid, r.offsets = child.Syscall(unix.SYS_GETPID), child.ReadFile(offsetsFile)
	for n, id := range timens.Clocks {
		expired := child.On(timers[n], unix.SYS_READ, child.Word().Addr(), 8)
		r.rests = append(r.rests, wait{"relative timerfd on " + id.String(), 0, expired, i.Rest.Of(id), child.ClockGettime(id, clock.VDSO)})
		for n, add := range waitsOn(id) {
			w := add(child, id, i.Due[id][n])
			w.name += " on " + id.String()
			r.waits = append(r.waits, w)
		}
	}
	r.last = readClocks(child)
	args := kernel.Args(i.offsets(now))
	args.SetTID, args.SetTIDSize = p.PIDs(restoredPID), 1
	r.before = readClocks(p)
	r.fork = p.Fork(args, clone.SizeVer3, child)
	p.Wait(r.fork)
	r.after = readClocks(p)
	return r
}

func readClocks(p *clone.Program) map[clock.ID]clone.Reading {
	all := make(map[clock.ID]clone.Reading)
	for _, id := range timens.Clocks {
		all[id] = p.ClockGettime(id, clock.Syscall)
	}
	return all
}

// check checks the restored process, and returns the image that a further
// checkpoint at its end would have.
func (r *restoration) check(t *testing.T) image {
	t.Helper()
	if pid, err := r.pid.Value(); err != nil || pid != restoredPID {
		t.Errorf("getpid is %d, %v, want %d", pid, err, restoredPID)
	}
	if got, want := timens.Text(t, r.offsets), r.image.offsets(r.now).String(); got != want {
		t.Errorf("timens_offsets of the process are\n%swant\n%s", got, want)
	}
	for _, c := range r.first {
		got, old := timens.Time(t, c.Reading), r.image.Clocks.Of(c.id)
		low := old + timens.Time(t, r.before[c.id]) - r.now.Of(c.id)
		high := old + timens.Time(t, r.after[c.id]) - r.now.Of(c.id)
		if got < old || got < low || got > high {
			t.Errorf("%v was %v and is %v by %v, want it in [%v, %v]", c.id, old, got, c.via, low, high)
		}
	}
	for n, w := range r.rests {
		w.due += timens.Time(t, r.first[n].Reading)
		w.check(t)
	}
	for _, w := range r.waits {
		w.check(t)
	}
	return newImage(timens.Offsets{Monotonic: timens.Time(t, r.last[clock.Monotonic]), Boottime: timens.Time(t, r.last[clock.Boottime])})
}

// firstProcess starts p as the first process of a new PID namespace, which may
// choose the PIDs of its children.
func firstProcess(p *clone.Program) (*clone.Child, error) {
	return clone.Start(&clone.Args{Flags: unix.CLONE_NEWPID, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer1, p)
}

// restoreAgain restores a process several times, each time from a checkpoint of the
// process that was restored last.
func restoreAgain(t *testing.T, kernel design.Name, i image, times int) {
	t.Helper()
	for range times {
		p := timens.NewProgram(t)
		r := restore(kernel, p, i, initialClocks(t))
		timens.Run(t, firstProcess, p)
		if err := r.fork.Err(); err != nil {
			t.Fatalf("clone3: %v", err)
		}
		i = r.check(t)
		time.Sleep(turn(clock.Monotonic, 0)) // time that no process sees
	}
}

// A process of a machine that has been up for days is restored several times on a
// machine that was just booted: its clocks do not go back by a nanosecond, its
// timers keep their deadlines, and it keeps its PID.
func TestOffsetsRestore(t *testing.T) {
	kernel := design.Need(t)
	for _, machine := range namespaces {
		t.Run(machine.name, func(t *testing.T) { restoreAgain(t, kernel, checkpoint(t, machine.offsets), 2) })
	}
}

// A restorer inside a time namespace, which cannot read the initial clocks, can
// restore a process with the offsets of its own namespace from /proc.
func TestOffsetsRestoreNested(t *testing.T) {
	kernel := design.Need(t)
	for _, machine := range namespaces {
		for _, container := range namespaces[:2] {
			t.Run(machine.name+" in "+container.name, func(t *testing.T) {
				restoreFrom(t, kernel, container.offsets, checkpoint(t, machine.offsets))
			})
		}
	}
}

// restoreFrom lets a restorer inside a time namespace restore a process.
func restoreFrom(t *testing.T, kernel design.Name, container timens.Offsets, i image) {
	t.Helper()
	before := initialClocks(t)
	got := probe.Run[timens.Offsets](t, timens.Unshared(container), "restore", restoreNested{kernel, i})
	after := initialClocks(t)
	for _, id := range timens.Clocks {
		low := i.Clocks.Of(id)
		if high := low + after.Of(id) - before.Of(id); got.Of(id) < low || got.Of(id) > high {
			t.Errorf("%v was %v and is %v, want it in [%v, %v]", id, low, got.Of(id), low, high)
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
