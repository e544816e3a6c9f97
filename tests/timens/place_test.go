// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"
	"time"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// place is what a program sees of the namespace that it is in: a visit by Go
// code.
type place struct {
	Now, Next string
	Clocks    timens.Readings
}

// look is the probe "place".
func look(any) (place, error) {
	now, err := os.Readlink(current)
	if err != nil {
		return place{}, err
	}
	next, err := os.Readlink(children)
	if err != nil {
		return place{}, err
	}
	clocks, err := timens.ReadClocks(nil)
	return place{now, next, clocks}, err
}

// lookFromChild is the probe "grandchild": what a fork() of the probe sees.
func lookFromChild(any) (place, error) {
	p, err := clone.NewProgram()
	if err != nil {
		return place{}, err
	}
	defer p.Close()
	now, next := p.ReadLink(current), p.ReadLink(children)
	readings := make(map[clock.Via]map[clock.ID]clone.Reading)
	for _, via := range clock.Vias {
		readings[via] = make(map[clock.ID]clone.Reading)
		for _, id := range timens.Clocks {
			readings[via][id] = p.ClockGettime(id, via)
		}
	}
	child, err := timens.Fork(p)
	if err != nil {
		return place{}, err
	}
	if _, err := child.Wait(timens.Patience); err != nil {
		return place{}, err
	}
	out := place{Clocks: make(timens.Readings)}
	if out.Now, err = now.Text(); err != nil {
		return place{}, err
	}
	if out.Next, err = next.Text(); err != nil {
		return place{}, err
	}
	for _, via := range clock.Vias {
		out.Clocks[via] = make(map[clock.ID]time.Duration)
		for _, id := range timens.Clocks {
			if out.Clocks[via][id], err = readings[via][id].Time(); err != nil {
				return place{}, fmt.Errorf("read %v by %v: %w", id, via, err)
			}
		}
	}
	return out, nil
}

// measuredPlace is a place between two readings of the initial clocks.
type measuredPlace struct {
	place
	before, after map[clock.ID]time.Duration
}

// measurePlace runs a probe that returns a place, after the steps of p.
func measurePlace(t *testing.T, launch clone.Launcher, p *clone.Program, name string) measuredPlace {
	t.Helper()
	m := measuredPlace{before: make(map[clock.ID]time.Duration), after: make(map[clock.ID]time.Duration)}
	for _, id := range timens.Clocks {
		m.before[id] = timens.Now(t, id)
	}
	m.place = probe.Finish[place](t, launch, p, name, nil)
	for _, id := range timens.Clocks {
		m.after[id] = timens.Now(t, id)
	}
	return m
}

// check compares both links and the offsets of all clocks.
func (m measuredPlace) check(t *testing.T, when, wantLink string, want timens.Offsets) {
	t.Helper()
	if m.Now != wantLink || m.Next != wantLink {
		t.Errorf("%s the program is in %s, with children in %s, want %s for both", when, m.Now, m.Next, wantLink)
	}
	for _, via := range clock.Vias {
		for _, id := range timens.Clocks {
			now := m.Clocks[via][id]
			shift := timens.Interval{Low: now - m.after[id], High: now - m.before[id]}
			if want := want.Of(id); !shift.Contains(want) {
				t.Errorf("%s %v by %v is off by %v, want %v", when, id, via, shift, want)
			}
		}
	}
}

// withoutCapability calls fn on a thread that lacks a capability.
func withoutCapability(id int, fn func() error) error {
	return osthread.Run(func() error {
		if err := capability.Drop(id); err != nil {
			return err
		}
		return fn()
	})
}
