// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// launcher returns a launcher that calls clone3() with flags.
func launcher(flags uint64, exitSignal unix.Signal) clone.Launcher {
	return func(p *clone.Program) (*clone.Child, error) {
		return clone.Start(&clone.Args{Flags: flags, ExitSignal: uint64(exitSignal)}, clone.SizeVer0, p)
	}
}

// Children that share the memory of their parent, and so the vDSO's data page.
var (
	vfork  = launcher(unix.CLONE_VM|unix.CLONE_VFORK, unix.SIGCHLD)
	thread = launcher(unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_THREAD, 0)
)

// start starts a program and waits for its first pause. The child is killed at
// the end of the test.
func start(t *testing.T, launch clone.Launcher, p *clone.Program) *clone.Child {
	t.Helper()
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	return child
}

// pausing returns a program that pauses and ends.
func pausing(t *testing.T) *clone.Program {
	t.Helper()
	p := timens.NewProgram(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	return p
}

// finish resumes a paused child and waits for its end.
func finish(t *testing.T, child *clone.Child) {
	t.Helper()
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	timens.Reap(t, child)
}

// resident starts a child that stays in the namespace that launch puts it into
// until the test ends.
func resident(t *testing.T, launch clone.Launcher) *clone.Child {
	t.Helper()
	child := start(t, launch, pausing(t))
	t.Cleanup(func() { finish(t, child) })
	return child
}

// visit is what a child sees of the namespace that it is in.
type visit struct {
	now, next clone.Contents
	clocks    map[clock.Via]map[clock.ID]clone.Reading
	before    map[clock.ID]time.Duration
}

// newVisit adds the steps of a visit.
func newVisit(t *testing.T, p *clone.Program) visit {
	t.Helper()
	v := visit{
		now: p.ReadLink("/proc/thread-self/ns/time"), next: p.ReadLink("/proc/thread-self/ns/time_for_children"),
		clocks: make(map[clock.Via]map[clock.ID]clone.Reading), before: make(map[clock.ID]time.Duration),
	}
	for _, via := range clock.Vias {
		v.clocks[via] = make(map[clock.ID]clone.Reading)
		for _, id := range timens.Clocks {
			v.clocks[via][id] = p.ClockGettime(id, via)
			v.before[id] = timens.Now(t, id)
		}
	}
	return v
}

// check compares a finished visit with the two links and the offsets that it
// must show.
func (v visit) check(t *testing.T, when, wantNow, wantNext string, want timens.Offsets) {
	t.Helper()
	if got := timens.Text(t, v.now); got != wantNow {
		t.Errorf("%s the child is in %s, want %s", when, got, wantNow)
	}
	if got := timens.Text(t, v.next); got != wantNext {
		t.Errorf("%s the child's children will be in %s, want %s", when, got, wantNext)
	}
	for _, via := range clock.Vias {
		for _, id := range timens.Clocks {
			now := timens.Time(t, v.clocks[via][id])
			shift := timens.Interval{Low: now - timens.Now(t, id), High: now - v.before[id]}
			if want := want.Of(id); !shift.Contains(want) {
				t.Errorf("%s %v by %v is off by %v, want %v", when, id, via, shift, want)
			}
		}
	}
}
