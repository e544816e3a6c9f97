// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"slices"
)

// ABIFile is the file of a run's folder with its ABI.
const ABIFile = "abi.json"

// ABI is how the structures that clone3() takes lie in memory, as the kernel
// has them and as the tests fill them in.
type ABI struct {
	X86_64 []Layout `json:"x86_64"` // from the debug information of the kernel that runs
	I386   []Layout `json:"i386"`   // of its headers, compiled for 32 bits
	Tests  []Layout `json:"tests"`
}

// Layout is how one structure lies in memory.
type Layout struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"`
	Members []Member `json:"members"`
}

// Member is one member of a structure. That of a structure within it has a
// name with a dot.
type Member struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
}

// Moved says of every member that both the kernel and the tests have, and do
// not have in the same place, where it is. What one of them lacks is no matter
// of layout: it is what tests of the kernel find out.
func (a ABI) Moved() []string {
	var all []string
	for _, side := range []struct {
		arch string
		has  []Layout
	}{{"x86_64", a.X86_64}, {"i386", a.I386}} {
		for _, want := range a.Tests {
			for _, got := range side.has {
				if got.Name == want.Name {
					all = append(all, got.moved(want, side.arch)...)
				}
			}
		}
	}
	return all
}

// Whole reports whether the kernel has every structure and member that the tests
// have.
func (a ABI) Whole() bool { return Has(a.X86_64, a.Tests) && Has(a.I386, a.Tests) }

// Has reports whether every structure and member of tests is among those of a
// kernel, wherever in it.
func Has(kernel, tests []Layout) bool {
	for _, want := range tests {
		i := slices.IndexFunc(kernel, func(l Layout) bool { return l.Name == want.Name })
		if i < 0 || slices.ContainsFunc(want.Members, func(m Member) bool {
			return !slices.ContainsFunc(kernel[i].Members, func(has Member) bool { return has.Name == m.Name })
		}) {
			return false
		}
	}
	return true
}

func (l Layout) moved(tests Layout, arch string) []string {
	var all []string
	has := make(map[string]Member)
	for _, m := range l.Members {
		has[m.Name] = m
	}
	lacks := false
	for _, want := range tests.Members {
		got, ok := has[want.Name]
		switch {
		case !ok:
			lacks = true
		case got != want:
			all = append(all, fmt.Sprintf("struct %s on %s has %s in bytes %d to %d, the tests in %d to %d",
				l.Name, arch, want.Name, got.Offset, got.Offset+got.Size-1, want.Offset, want.Offset+want.Size-1))
		}
	}
	if !lacks && len(l.Members) == len(tests.Members) && l.Size != tests.Size {
		all = append(all, fmt.Sprintf("struct %s on %s has %d bytes, that of the tests %d", l.Name, arch, l.Size, tests.Size))
	}
	return all
}

// Since says what of the layouts is not as it is in base, a line a structure.
// What both architectures have in common is said once.
func (a ABI) Since(base ABI) []string {
	var all []string
	archs := make(map[string]string) // of a line
	for _, side := range []struct {
		arch         string
		before, with []Layout
	}{{"x86_64", base.X86_64, a.X86_64}, {"i386", base.I386, a.I386}} {
		before := make(map[string]Layout)
		for _, l := range side.before {
			before[l.Name] = l
		}
		for _, l := range side.with {
			line := l.since(before[l.Name])
			switch {
			case line == "":
			case archs[line] == "":
				all = append(all, line)
				archs[line] = side.arch
			default:
				archs[line] += ", " + side.arch
			}
		}
	}
	for i, line := range all {
		all[i] = fmt.Sprintf("struct %s (%s)", line, archs[line])
	}
	return all
}

// since is "" if nothing has changed.
func (l Layout) since(before Layout) string {
	if before.Name == "" {
		return fmt.Sprintf("%s is new: %d bytes", l.Name, l.Size)
	}
	has := make(map[string]Member)
	for _, m := range before.Members {
		has[m.Name] = m
	}
	line := ""
	if l.Size != before.Size {
		line = fmt.Sprintf("%s: %d bytes, was %d", l.Name, l.Size, before.Size)
	}
	say := func(what, name string) {
		if line == "" {
			line = l.Name + ": " + what + " " + name
		} else {
			line += "; " + what + " " + name
		}
	}
	for _, m := range l.Members {
		old, ok := has[m.Name]
		switch {
		case !ok:
			say("new", m.Name)
		case old != m:
			say("moved", m.Name)
		}
		delete(has, m.Name)
	}
	for _, m := range before.Members {
		if _, gone := has[m.Name]; gone {
			say("gone", m.Name)
		}
	}
	return line
}
