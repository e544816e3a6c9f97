// SPDX-License-Identifier: BSD-3-Clause

// Package order says in which order the tests of a plan are likely to show soonest what is
// wrong with a kernel. It never leaves out a test: what it knows wrongly costs time.
package order

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// Knowledge is what is known about tests. All of its members may be empty, out of date, or
// of another kernel.
type Knowledge struct {
	Map     Map                // which functions each test reaches
	Breaks  Breaks             // which tests noticed that a function was broken
	Seconds map[string]float64 // how long each test takes, by package.Name
}

// VDSO is the name that Likely knows the code of the vDSO by. No test of the map reaches it,
// because it runs in user space.
const VDSO = "vDSO"

// Likely returns the tests in an order in which those come first that are likely to notice
// that the functions in changed are wrong, and that take little time. The other tests follow
// as they were. first is how many come before these. The tests for a later guest stay at the
// end.
func Likely(tests []wire.Test, changed []string, k Knowledge) (ordered []wire.Test, first int) {
	c := k.chances(changed)
	usual := k.usual()
	type ranked struct {
		wire.Test
		value float64
	}
	var likely []ranked
	var rest []wire.Test
	for _, t := range tests {
		p := c.of(t.TestID)
		if p <= 0 || t.After != "" {
			rest = append(rest, t)
			continue
		}
		seconds, known := k.Seconds[t.String()]
		if !known {
			seconds = usual
		}
		likely = append(likely, ranked{t, p / (max(seconds, 0) + startS)})
	}
	slices.SortStableFunc(likely, func(a, b ranked) int { return cmp.Compare(b.value, a.value) })
	for _, t := range likely {
		ordered = append(ordered, t.Test)
	}
	return append(ordered, rest...), len(likely)
}

// startS is how long it takes to start any test, in seconds.
const startS = 0.05

// usual returns the median of the known times in seconds, or a second if none is known.
func (k Knowledge) usual() float64 {
	var all []float64
	for _, s := range k.Seconds {
		all = append(all, s)
	}
	if len(all) == 0 {
		return 1
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// chances are the chances that tests notice. They are guesses, and only their order counts.
type chances struct {
	misses map[string]float64 // by package.Name; the chance that the test does not notice; absent: 1
	i386   bool               // code for 32-bit programs has changed of which nothing is known
}

// unknown32 is the chance that a 32-bit test notices a change of code for 32-bit programs.
const unknown32 = 0.01

// of returns the chance that a test notices.
func (c chances) of(t wire.TestID) float64 {
	miss, ok := c.misses[t.String()]
	if !ok {
		miss = 1
	}
	if c.i386 && strings.HasSuffix(t.Package, wire.I386) {
		miss *= 1 - unknown32
	}
	return 1 - miss
}

// chances returns the chances for functions that have changed. A test that noticed another
// break of the function is likely to notice this one. A test that reaches the function is
// the likelier to notice, the fewer tests do: what all reach, few look at.
func (k Knowledge) chances(changed []string) chances {
	c := chances{misses: make(map[string]float64)}
	add := func(test string, p float64) {
		miss, ok := c.misses[test]
		if !ok {
			miss = 1
		}
		c.misses[test] = miss * (1 - p)
	}
	for _, name := range distinct(changed) {
		breaks, reach := k.Breaks[name], k.Map.reach(name)
		for test, n := range breaks.Tests {
			add(test, math.Min(float64(n)/float64(breaks.Breaks+1), 0.9))
		}
		for _, test := range reach {
			add(test, 1/float64(len(reach)+1))
		}
		if breaks.Tests == nil && reach == nil && for32(name) {
			c.i386 = true
		}
	}
	return c
}

// distinct returns the names of functions as Name gives them, each once.
func distinct(symbols []string) []string {
	var all []string
	for _, s := range symbols {
		all = append(all, Name(s))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Name returns the name of a function without what only compiler and macros add: the parts
// of a system call have one name, such as "sys_setns" for "__x64_sys_setns". The system call
// for 32-bit programs has a name of its own, such as "compat_sys_timer_create".
func Name(symbol string) string {
	name, _, _ := strings.Cut(symbol, ".")
	for _, kind := range []string{"compat_sys_", "sys_"} {
		for _, prefix := range []string{"__x64_", "__ia32_", "__do_", "__se_"} {
			if rest, ok := strings.CutPrefix(name, prefix+kind); ok {
				return kind + rest
			}
		}
	}
	return name
}

// for32 reports whether the name of a function says that it is for 32-bit programs.
func for32(name string) bool {
	return strings.HasPrefix(name, "compat_") || strings.Contains(name, "_compat") || strings.Contains(name, "ia32") || strings.HasSuffix(name, "32")
}
