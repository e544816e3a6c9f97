// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"slices"
)

// ABIFile is the name of the file with the ABI, in the folder of a run.
const ABIFile = "abi.json"

// ABI says how the structures that clone3() takes lie in memory, in the kernel and in the
// tests.
type ABI struct {
	X86_64 []Layout `json:"x86_64"` // of the kernel, from its debug information
	I386   []Layout `json:"i386"`   // of the kernel's headers, compiled for 32 bits
	Tests  []Layout `json:"tests"`  // as the tests write them
}

// Layout says how one structure lies in memory.
type Layout struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"` // in bytes
	Members []Member `json:"members"`
}

// Member is one member of a structure.
type Member struct {
	Name   string `json:"name"`   // "outer.inner" for a member of a structure within the structure
	Offset int64  `json:"offset"` // in bytes
	Size   int64  `json:"size"`   // in bytes
}

// Moved returns a line for every member that the kernel and the tests have in different
// places, and for every structure of another size with the same members. It ignores a
// member that only one of them has, because the tests themselves notice that.
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

// Whole reports whether the kernel has every structure and member that the tests have,
// on both architectures.
func (a ABI) Whole() bool { return Has(a.X86_64, a.Tests) && Has(a.I386, a.Tests) }

// Has reports whether the kernel has every structure and member of tests. The members
// may be in other places.
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
		all = append(all, fmt.Sprintf("struct %s on %s has %d bytes, and the tests expect %d", l.Name, arch, l.Size, tests.Size))
	}
	return all
}

// Since returns a line for each structure that differs from base. A difference that both
// architectures have is one line, which names both. Tests is not compared.
func (a ABI) Since(base ABI) []string {
	var all []string
	archs := make(map[string]string) // the architectures that have a line
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

// since returns what has changed since before, or "" if nothing has. A zero before means
// that the structure is new.
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
