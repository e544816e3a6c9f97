// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/profile"
	"timens-vmtest/tests/internal/timens"
)

// checkProfileOfFork lets launch start a child whose own child reports all it can
// know of its time namespace, and compares that with the offsets it must have.
// fork adds to p the call that makes a child run inner.
func checkProfileOfFork(t *testing.T, want timens.Offsets, launch clone.Launcher, fork func(p, inner *clone.Program) clone.Result) {
	t.Helper()
	p := timens.NewProgram(t)
	inner := p.Sub()
	checkProfileOfRun(t, want, inner, func() {
		call := fork(p, inner)
		p.Wait(call)
		timens.Run(t, launch, p)
		if err := call.Err(); err != nil {
			t.Fatalf("clone3 by a child: %v", err)
		}
	})
}

// checkProfileOfRun adds the report to p, lets run start it, and compares the
// report with the offsets.
func checkProfileOfRun(t *testing.T, want timens.Offsets, p *clone.Program, run func()) {
	t.Helper()
	steps := profile.Add(p, want)
	before := measureBase(t)
	began := timens.Now(t, clock.Realtime)
	run()
	got, err := steps.Read(began, before.Or(measureBase(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range got.Check(want) {
		t.Error(wrong)
	}
}

func measureBase(t *testing.T) profile.Base {
	t.Helper()
	base, err := profile.MeasureBase()
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// All clocks and files that show the time since boot show it with the offsets,
// and those that do not depend on the boot time are not shifted.
func TestOffsetsShowEverywhere(t *testing.T) {
	kernel := design.Need(t)
	beUpFor(t, 2*time.Second)
	mono, boot := timens.Now(t, clock.Monotonic), timens.Now(t, clock.Boottime)
	tell := newTelling(t)
	for name, offsets := range map[string]timens.Offsets{
		"ahead":                   timens.Ahead,
		"behind":                  timens.Behind,
		"across":                  timens.Across,
		"across, signs exchanged": {Monotonic: timens.Ahead.Monotonic, Boottime: timens.Behind.Boottime},
		"monotonic ahead":         {Monotonic: timens.Ahead.Monotonic},
		"monotonic behind":        {Monotonic: timens.Behind.Monotonic},
		"boottime ahead":          {Boottime: timens.Ahead.Boottime},
		"boottime behind":         {Boottime: timens.Behind.Boottime},
		"none":                    {},
		"a nanosecond":            {Monotonic: 1, Boottime: -1},
		"a nanosecond less":       {Monotonic: -1, Boottime: 1},
		"nearly a second":         {Monotonic: time.Second - 1, Boottime: -(time.Second - 1)},
		"a second":                {Monotonic: -time.Second, Boottime: time.Second},
		"a little more":           {Monotonic: time.Second + 1, Boottime: -(time.Second + 1)},
		"lowest":                  {Monotonic: -mono + 1, Boottime: -boot + 2},
		"highest":                 {Monotonic: maxClock - mono - time.Hour, Boottime: maxClock - boot - time.Hour - 1},
		// The sum of these nanoseconds and those of the clock exceeds a
		// second.
		"carry":          {Monotonic: time.Hour + carry(mono), Boottime: time.Hour + carry(boot)},
		"carry downward": {Monotonic: -time.Second + carry(mono), Boottime: -time.Second + carry(boot)},
	} {
		tell.add(name, kernel.Args(offsets), offsets)
	}
	tell.check(t)
}

// telling lets children of one process report what they know of their time
// namespaces.
type telling struct {
	nursery  *clone.Program
	children []told
}

type told struct {
	name  string
	want  timens.Offsets
	began clone.Reading
	steps *profile.Steps
	fork  clone.Result
}

func newTelling(t *testing.T) *telling {
	t.Helper()
	nursery := timens.NewProgram(t)
	nursery.Slim()
	return &telling{nursery: nursery}
}

// add makes a child by args, which must have the offsets want.
func (tl *telling) add(name string, args *clone.Args, want timens.Offsets) {
	child := tl.nursery.Sub()
	c := told{name: name, want: want, began: tl.nursery.ClockGettime(clock.Realtime, clock.Syscall), steps: profile.Add(child, want)}
	c.fork = tl.nursery.Fork(args, clone.SizeVer3, child)
	tl.nursery.Wait(c.fork)
	tl.children = append(tl.children, c)
}

// check runs all children and checks their reports.
func (tl *telling) check(t *testing.T) {
	t.Helper()
	before := measureBase(t)
	timens.RunMany(t, timens.Fork, tl.nursery)
	base := before.Or(measureBase(t))
	for _, c := range tl.children {
		if err := c.fork.Err(); err != nil {
			t.Errorf("%s: clone3: %v", c.name, err)
			continue
		}
		got, err := c.steps.Read(timens.Time(t, c.began), base)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, wrong := range got.Check(c.want) {
			t.Errorf("%s: %s", c.name, wrong)
		}
	}
}

// carry returns nanoseconds whose sum with the clock's is a second or more,
// until the current second of the clock ends.
func carry(now time.Duration) time.Duration { return time.Second - now%time.Second }
