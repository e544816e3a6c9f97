// SPDX-License-Identifier: BSD-3-Clause

package profile

import (
	"fmt"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/timens"
)

// Check returns what is wrong with the profile of a child that started in a new
// namespace with these offsets; nothing if all is right.
func (p Profile) Check(want timens.Offsets) []string {
	var wrong []string
	for _, s := range p.Shifts {
		if w := want.Of(s.Of); !s.By.Contains(w) {
			wrong = append(wrong, fmt.Sprintf("%s is off by %v, want %v", s.Name, s.By, w))
		}
	}
	if p.Offsets != want.String() {
		wrong = append(wrong, fmt.Sprintf("timens_offsets is\n%swant\n%s", p.Offsets, want))
	}
	if p.Current != p.Children {
		wrong = append(wrong, fmt.Sprintf("the child is in %s, but its children in %s", p.Current, p.Children))
	}
	if p.Write != unix.EACCES {
		wrong = append(wrong, fmt.Sprintf("write to timens_offsets: %v, want %v", p.Write, unix.EACCES))
	}
	return wrong
}

// Differ returns how two children with the same offsets differ, as far as it
// can be measured.
func (p Profile) Differ(q Profile) []string {
	var out []string
	for i, s := range p.Shifts {
		if other := q.Shifts[i].By; s.By.Low > other.High || other.Low > s.By.High {
			out = append(out, fmt.Sprintf("%s is off by %v and by %v", s.Name, s.By, other))
		}
	}
	if p.Offsets != q.Offsets {
		out = append(out, fmt.Sprintf("timens_offsets is\n%sand\n%s", p.Offsets, q.Offsets))
	}
	if (p.Current == p.Children) != (q.Current == q.Children) {
		out = append(out, fmt.Sprintf("one is in %s, its children in %s; the other in %s, its children in %s", p.Current, p.Children, q.Current, q.Children))
	}
	if p.Write != q.Write {
		out = append(out, fmt.Sprintf("write to timens_offsets: %v and %v", p.Write, q.Write))
	}
	return out
}
