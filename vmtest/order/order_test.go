// SPDX-License-Identifier: BSD-3-Clause

package order

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// planned returns tests by their names, "later" ones for a later guest.
func planned(names ...string) []wire.Test {
	var all []wire.Test
	for _, name := range names {
		at := strings.LastIndex(name, ".")
		t := wire.Test{TestID: wire.TestID{Package: name[:at], Name: name[at+1:]}}
		if strings.HasPrefix(t.Name, "TestLater") {
			t.After = "TestA"
		}
		all = append(all, t)
	}
	return all
}

func names(tests []wire.Test) []string {
	var all []string
	for _, t := range tests {
		all = append(all, t.String())
	}
	return all
}

func TestLikely(t *testing.T) {
	plan := planned("p.TestA", "p.TestB", "p.TestC", "p/386.TestA", "p/386.TestB", "p.TestLater")
	m := NewMap("6.12.1", "control", map[string][]string{
		"p.TestA":     {"all", "few", "__do_sys_setns"},
		"p.TestB":     {"all", "one"},
		"p.TestC":     {"all", "few"},
		"p/386.TestA": {"all", "compat_sys_few"},
		"p.TestLater": {"all", "few"},
	})
	broken := Breaks{}
	broken.Add([]string{"broken"}, []string{"p.TestC"})
	broken.Add([]string{"broken"}, []string{"p.TestC", "p.TestB"})
	broken.Add([]string{VDSO}, []string{"p.TestB"})
	for what, tc := range map[string]struct {
		changed []string
		seconds map[string]float64
		want    string // those that come first
	}{
		"nothing":                  {nil, nil, ""},
		"unknown":                  {[]string{"mystery"}, nil, ""},
		"what all reach":           {[]string{"all"}, nil, "p.TestA p.TestB p.TestC p/386.TestA"},
		"one":                      {[]string{"one"}, nil, "p.TestB"},
		"two that reach":           {[]string{"few"}, nil, "p.TestA p.TestC"},
		"the shorter":              {[]string{"few"}, map[string]float64{"p.TestA": 2, "p.TestC": 0.5}, "p.TestC p.TestA"},
		"one of unknown time":      {[]string{"few"}, map[string]float64{"p.TestA": 2, "p.TestB": 1, "p.TestX": 0.1}, "p.TestC p.TestA"},
		"the more special":         {[]string{"few", "one"}, nil, "p.TestB p.TestA p.TestC"},
		"special, but long":        {[]string{"few", "one"}, map[string]float64{"p.TestB": 20, "p.TestA": 1, "p.TestC": 1}, "p.TestA p.TestC p.TestB"},
		"the one that noticed":     {[]string{"broken"}, nil, "p.TestC p.TestB"},
		"parts of a system call":   {[]string{"__x64_sys_setns", "__se_sys_setns"}, nil, "p.TestA"},
		"for 32 bits":              {[]string{"__ia32_compat_sys_few"}, nil, "p/386.TestA"},
		"for 32 bits, unknown":     {[]string{"entry_INT80_compat"}, nil, "p/386.TestA p/386.TestB"},
		"the vDSO":                 {[]string{VDSO}, nil, "p.TestB"},
		"with the compiler's name": {[]string{"one.constprop.0"}, nil, "p.TestB"},
	} {
		got, first := Likely(plan, tc.changed, Knowledge{m, broken, tc.seconds})
		if likely := strings.Join(names(got[:first]), " "); likely != tc.want {
			t.Errorf("%s: %q come first, want %q", what, likely, tc.want)
		}
		rest := slices.DeleteFunc(names(plan), func(name string) bool { return slices.Contains(names(got[:first]), name) })
		if !slices.Equal(names(got[first:]), rest) {
			t.Errorf("%s: then come %q, want %q", what, names(got[first:]), rest)
		}
	}
}

// Whatever is known wrongly, each test is there once, and those for a later guest are the
// last.
func TestLikelyLosesNothing(t *testing.T) {
	plan := planned("p.TestA", "p.TestB", "p.TestC", "q.TestA", "p.TestLater", "p.TestLaterToo")
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		m := Map{Tests: []string{"p.TestA", "p.TestGone", "p.TestLater", "q.TestA"}, Reach: make(map[string]string)}
		b, seconds := Breaks{}, make(map[string]float64)
		for _, f := range []string{"f", "g", "h"} {
			m.Reach[f] = []string{"", "0", "0-3", "7", "x", "2-1", "3,1"}[random.IntN(7)]
			b[f] = Noticed{random.IntN(3) - 1, map[string]int{"p.TestC": random.IntN(9) - 4, "p.TestLater": 1}}
			seconds["p.Test"+strings.ToUpper(f)] = random.Float64()*1e6 - 10
		}
		got, first := Likely(plan, []string{"f", "h", "h"}, Knowledge{m, b, seconds})
		if first < 0 || first > 4 || !slices.Equal(names(got[4:]), names(plan[4:])) {
			t.Fatalf("%v %v %v: got %q, %d first", m, b, seconds, names(got), first)
		}
		a, want := names(got), names(plan)
		slices.Sort(a)
		slices.Sort(want)
		if !slices.Equal(a, want) {
			t.Fatalf("%v %v %v: got %q, want all of %q", m, b, seconds, a, want)
		}
	}
}

func TestMap(t *testing.T) {
	m := NewMap("6.12.1", "control", map[string][]string{"p.TestC": {"f.part.0", "f", "g"}, "p.TestA": {"f", "h"}, "p.TestB": {"h", "f"}, "p.TestD": {"f", "g"}})
	want := Map{1, "6.12.1", "control", []string{"p.TestA", "p.TestB", "p.TestC", "p.TestD"}, map[string]string{"f": "0-3", "g": "2-3", "h": "0-1"}}
	if !reflect.DeepEqual(m, want) {
		t.Fatalf("got %v, want %v", m, want)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var again Map
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, m) || again.Check() != nil {
		t.Errorf("got %v, %v, %v", again, err, again.Check())
	}
	for text, want := range map[string]string{"0,2-3": "p.TestA p.TestC p.TestD", "1": "p.TestB", "": ""} {
		if got, err := m.parse(text); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"4", "-1", "1-", "a", "2-1", "0,", "0-4", "0--1"} {
		m.Reach["f"] = text
		if err := m.Check(); err == nil || m.reach("f") != nil {
			t.Errorf("%q: got %v, %v", text, m.reach("f"), err)
		}
	}
	if (Map{Schema: 2}).Check() == nil {
		t.Error("a map of a later schema is taken")
	}
}

func TestName(t *testing.T) {
	for symbol, want := range map[string]string{
		"clone_time_ns": "clone_time_ns", "copy_process.part.0": "copy_process", "__x64_sys_setns": "sys_setns", "__do_sys_setns": "sys_setns",
		"__ia32_compat_sys_timer_create": "compat_sys_timer_create", "__ia32_sys_setns": "sys_setns", "__do_softirq": "__do_softirq",
	} {
		if got := Name(symbol); got != want {
			t.Errorf("%s: got %s, want %s", symbol, got, want)
		}
	}
}

func TestKnownBreaks(t *testing.T) {
	b, err := KnownBreaks()
	if err != nil || len(b[VDSO].Tests) == 0 || b["proc_timens_set_offset"].Breaks < 2 {
		t.Errorf("%d breaks of the vDSO, %+v of proc_timens_set_offset, %v", b[VDSO].Breaks, b["proc_timens_set_offset"], err)
	}
}
