// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"cmp"
	"fmt"
	"strings"
)

// Span is a pair of releases between which the kernel changed its behaviour. Old and older
// releases have to show the first status of the line, New and later releases the second one.
// A kernel between them may show either. The zero value is for every kernel.
type Span struct{ Old, New Release }

// Release is a release of the kernel, such as 6.12.
type Release struct{ Major, Minor int }

// compare orders releases by age.
func (r Release) compare(other Release) int {
	return cmp.Or(cmp.Compare(r.Major, other.Major), cmp.Compare(r.Minor, other.Minor))
}

// parseSpan reads a span such as "6.12-7.3".
func parseSpan(text string) (Span, error) {
	var s Span
	old, new, _ := strings.Cut(text, "-")
	var okOld, okNew bool
	s.Old, okOld = parseRelease(old)
	s.New, okNew = parseRelease(new)
	if !okOld || !okNew || s.Old.compare(s.New) >= 0 {
		return Span{}, fmt.Errorf("%q is not of the form OLD-NEW, two releases such as 6.12-7.3", text)
	}
	return s, nil
}

// parseRelease reads exactly N.N.
func parseRelease(text string) (Release, bool) {
	var r Release
	n, err := fmt.Sscanf(text, "%d.%d", &r.Major, &r.Minor)
	return r, err == nil && n == 2 && fmt.Sprintf("%d.%d", r.Major, r.Minor) == text
}

// On returns what the expectations mean for one kernel. version is that of its Makefile.
// tree reports whether the kernel is a user's tree and not a release. A tree may have
// changes of later releases, and a release candidate lacks changes of its release.
func On(all []Expectation, version string, tree bool) []Expectation {
	var r Release
	if n, err := fmt.Sscanf(version, "%d.%d", &r.Major, &r.Minor); n != 2 || err != nil {
		tree = true // its place among the releases is unknown
	}
	candidate := strings.Contains(version, "-rc")
	on := make([]Expectation, 0, len(all))
	for _, e := range all {
		if e.Span != (Span{}) {
			switch after := r.compare(e.Span.New); {
			case after > 0, after == 0 && !candidate:
				e.Status = e.Later
			case tree || r.compare(e.Span.Old) > 0:
				e.Open = true
			}
		}
		on = append(on, e)
	}
	return on
}
