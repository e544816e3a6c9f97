// SPDX-License-Identifier: BSD-3-Clause

package profile

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// A child in the initial namespace has no offset, and its profile shows that
// with the usual precision.
func TestProfileOfInitialNamespace(t *testing.T) {
	p := timens.NewProgram(t)
	steps := Add(p, timens.Offsets{})
	before, err := MeasureBase()
	if err != nil {
		t.Fatal(err)
	}
	began := timens.Now(t, clock.Realtime)
	timens.Run(t, timens.Fork, p)
	after, err := MeasureBase()
	if err != nil {
		t.Fatal(err)
	}
	got, err := steps.Read(began, before.Or(after))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Shifts {
		t.Logf("%s is off by %v", s.Name, s.By)
		if !s.By.Contains(0) {
			t.Errorf("%s is off by %v, want 0", s.Name, s.By)
		}
	}
	if wrong := got.Differ(got); wrong != nil {
		t.Errorf("the profile differs from itself: %q", wrong)
	}
}

func TestCheckAndDiffer(t *testing.T) {
	point := func(d time.Duration) timens.Interval { return timens.Interval{Low: d, High: d} }
	make := func(shift time.Duration) Profile {
		return Profile{
			Shifts:  []Shift{{"boottime by vdso", clock.Boottime, point(shift)}},
			Offsets: timens.Offsets{Boottime: 5}.String(),
			Current: "time:[1]", Children: "time:[1]",
			Write: unix.EACCES,
		}
	}
	good := make(5)
	if wrong := good.Check(timens.Offsets{Boottime: 5}); wrong != nil {
		t.Errorf("a good profile: %q", wrong)
	}
	for name, spoil := range map[string]func(*Profile){
		"off by":     func(p *Profile) { p.Shifts = make(6).Shifts },
		"offsets is": func(p *Profile) { p.Offsets = "" },
		"in time:":   func(p *Profile) { p.Children = "time:[2]" },
		"write to":   func(p *Profile) { p.Write = nil },
	} {
		bad := good
		spoil(&bad)
		for _, wrong := range [][]string{bad.Check(timens.Offsets{Boottime: 5}), good.Differ(bad)} {
			if len(wrong) != 1 || !strings.Contains(wrong[0], name) {
				t.Errorf("%s: %q", name, wrong)
			}
		}
	}
}
