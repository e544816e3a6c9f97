// SPDX-License-Identifier: BSD-3-Clause

// The test in this file needs a series with offsets.

package clone3

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// finder is a process that looks for the time namespace of a clone3() while the
// call runs, and enters it.
type finder struct {
	looks  []look
	clocks []reading // when it has looked for the last time
}

type look struct {
	entered clone.Result
	exists  clone.Result     // ESRCH if the child has no PID yet
	own     clone.Contents   // the finder's offsets file
	child   []clone.Contents // that of the child, if the finder reads it
}

const (
	calls = 6  // of each round
	looks = 14 // of each finder, with a pause before each, in which clone3() goes on
)

// wayToFind adds the steps of a look, which open the time namespace of a process
// that may not exist yet.
type wayToFind func(p *clone.Program, pid int32, l *look) (open clone.Result)

// byHandle finds the first time namespace that is younger than the one with the
// identifier last.
func byHandle(last uint64) wayToFind {
	request := timens.TimeList
	request.After = last
	return func(p *clone.Program, _ int32, _ *look) clone.Result {
		handle := clone.Alloc[timens.FileHandle](p)
		*handle = timens.NewFileHandle(timens.Handle{})
		request.ListInside(p, &handle.ID, 1)
		return timens.OpenByHandle(p, handle)
	}
}

func byProc(p *clone.Program, pid int32, l *look) clone.Result {
	l.child = append(l.child, p.ReadFileSize(timens.OffsetsFile(int(pid)), 128))
	return p.Open(fmt.Sprintf("/proc/%d/ns/time", pid), unix.O_RDONLY)
}

// newFinder adds the steps of a finder to p. It begins to look after a delay.
func newFinder(p *clone.Program, way wayToFind, pid int32, delay, pause time.Duration) *finder {
	f := new(finder)
	file := p.Open(offsetsFile, unix.O_RDONLY)
	sleep := func(d time.Duration) {
		p.Syscall(abi.Time64.Nr(abi.ClockNanosleep), uintptr(clock.Monotonic), 0, timespec(p, d), 0)
	}
	sleep(delay)
	for range looks {
		sleep(pause)
		var l look
		l.entered = p.On(way(p, pid, &l), unix.SYS_SETNS, unix.CLONE_NEWTIME)
		l.exists = p.Syscall(unix.SYS_KILL, uintptr(pid), 0)
		l.own = p.Reread(file, 128)
		f.looks = append(f.looks, l)
	}
	f.clocks = readBothWays(p)
	return f
}

// earlyCall is a clone3() with a finder.
type earlyCall struct {
	*finder
	child         []reading
	steps         map[string]clone.Result
	before, after map[clock.ID]clone.Reading
}

// newEarlyCall adds a clone3() with offsets to p. The finder runs before all others, so
// a timer lets it look in the middle of the call, also if there is only one CPU.
func newEarlyCall(p *clone.Program, kernel design.Name, way wayToFind, pid int32, delay, pause time.Duration) earlyCall {
	searching, child := p.Sub(), p.Sub()
	c := earlyCall{finder: newFinder(searching, way, pid, delay, pause), child: readBothWays(child), before: readClocks(p)}
	args := kernel.Args(timens.Ahead)
	args.SetTID, args.SetTIDSize = p.PIDs(pid), 1
	schedule := func(policy uintptr, priority int32) clone.Result {
		return p.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, policy, p.Data(clone.Bytes(priority)))
	}
	first := schedule(unix.SCHED_FIFO, 1)
	search := p.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, searching)
	// At this step the finder, which has inherited the policy, runs until it sleeps.
	last := schedule(unix.SCHED_NORMAL, 0)
	fork := p.Fork(args, clone.SizeVer3, child)
	c.steps = map[string]clone.Result{
		"sched_setscheduler(SCHED_FIFO)": first, "fork of the finder": search, "sched_setscheduler(SCHED_NORMAL)": last, "clone3": fork,
		// In this order the child keeps its PID until the finder has ended.
		"wait for the finder": p.Wait(search).Result, "wait for the child": p.Wait(fork).Result,
	}
	c.after = readClocks(p)
	return c
}

// found reports whether the finder has entered the namespace, and whether it did so
// before the child had a PID.
func (f *finder) found() (ever, early bool) {
	for _, l := range f.looks {
		if l.entered.Err() == nil {
			ever = true
			early = early || l.exists.Err() == unix.ESRCH
		}
	}
	return ever, early
}

func (c earlyCall) check(t *testing.T) {
	t.Helper()
	for name, step := range c.steps {
		if err := step.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	c.checkClocks(t, "the child", c.child)
	want := timens.Ahead.String()
	for i, l := range c.looks {
		if l.entered.Err() == nil {
			if got := timens.Text(t, l.own); got != want {
				t.Errorf("look %d: whoever enters the namespace gets the offsets\n%swant\n%s", i, got, want)
			}
		}
		for _, file := range l.child {
			// The file cannot be opened yet, or is empty because the child has ended.
			if got, err := file.Text(); err == nil && got != "" && got != want {
				t.Errorf("look %d: timens_offsets of the child are\n%swant\n%s", i, got, want)
			}
		}
	}
	if ever, _ := c.found(); ever {
		c.checkClocks(t, "whoever entered the namespace", c.clocks)
	}
}

func (c earlyCall) checkClocks(t *testing.T, who string, clocks []reading) {
	t.Helper()
	for _, r := range clocks {
		now := timens.Time(t, r.Reading)
		shift := timens.Interval{Low: now - timens.Time(t, c.after[r.id]), High: now - timens.Time(t, c.before[r.id])}
		if want := timens.Ahead.Of(r.id); !shift.Contains(want) {
			t.Errorf("%v of %s by %v is off by %v, want %v", r.id, who, r.via, shift, want)
		}
	}
}

// lengthOfCall returns how long a clone3() takes that nobody disturbs: the shortest of
// several.
func lengthOfCall(t *testing.T, kernel design.Name) time.Duration {
	t.Helper()
	p := timens.NewProgram(t)
	p.Slim()
	var forks []clone.Result
	moments := []map[clock.ID]clone.Reading{readClocks(p)}
	for range 4 {
		fork := p.Fork(kernel.Args(timens.Ahead), clone.SizeVer3, p.Sub())
		moments = append(moments, readClocks(p))
		p.Wait(fork)
		forks = append(forks, fork)
		moments = append(moments, readClocks(p))
	}
	timens.Run(t, timens.Fork, p)
	length := time.Duration(math.MaxInt64)
	for i, fork := range forks {
		if err := fork.Err(); err != nil {
			t.Fatalf("clone3: %v", err)
		}
		before, after := moments[2*i][clock.Monotonic], moments[2*i+1][clock.Monotonic]
		length = min(length, timens.Time(t, after)-timens.Time(t, before))
	}
	return length
}

// findEarly lets finders look during some calls, and returns how many entered the
// namespace, and how many of them did so before the child had a PID. Each round looks at
// other moments of the call.
func findEarly(t *testing.T, kernel design.Name, way wayToFind, length time.Duration, round int) (ever, early int) {
	t.Helper()
	pid := freePID(t)
	p := timens.NewProgram(t)
	p.Slim()
	var all []earlyCall
	// The namespace exists at the end of the call, which takes up to half as long again if
	// the finder has no CPU of its own.
	for i := range calls {
		delay := length*time.Duration(5+i)/7 + length*time.Duration(round)/28
		// A switch to the finder and back takes about half of this pause.
		pause := length / 16
		all = append(all, newEarlyCall(p, kernel, way, pid, delay, pause))
	}
	timens.RunMany(t, timens.Fork, p)
	for _, c := range all {
		c.check(t)
		entered, before := c.found()
		if entered {
			ever++
		}
		if before {
			early++
		}
	}
	return ever, early
}

// Whoever finds the new time namespace while clone3() still runs, by the child's files
// in /proc or by listns() and a file handle, finds it with its offsets. Linux 6.12 has
// no listns(), so this test shows less there.
func TestOffsetsFoundEarly(t *testing.T) {
	kernel := design.Need(t)
	const handle = "by its handle"
	ways := map[string]wayToFind{"by the child's files": byProc}
	switch ids, err := timens.TimeList.List(1000); err {
	case nil:
		ways[handle] = byHandle(slices.Max(ids))
	case unix.ENOSYS: // before 7.3
	default:
		t.Fatalf("listns(): %v", err)
	}
	length := lengthOfCall(t, kernel)
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			const rounds = 4
			for round := range rounds {
				ever, early := findEarly(t, kernel, way, length, round)
				t.Logf("a clone3() takes %v; of %d namespaces %d were entered, and %d of them before the child had its PID", length, calls, ever, early)
				if early > 0 || ever > 0 && name != handle || !lane.Virtual() {
					return
				}
			}
			t.Error("no namespace was entered in time: the test has shown nothing")
		})
	}
}
