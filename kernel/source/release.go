// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
)

// Release is a release of the kernel, such as 7.3: its VERSION and PATCHLEVEL.
type Release [2]int

var (
	releaseRE = regexp.MustCompile(`^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})$`)
	leadingRE = regexp.MustCompile(`^\d+\.\d+`)
)

// ParseRelease reads a release from its text N.N.
func ParseRelease(text string) (r Release, ok bool) {
	m := releaseRE.FindStringSubmatch(text)
	if m == nil {
		return r, false
	}
	for i := range r {
		r[i], _ = strconv.Atoi(m[i+1]) // at most four digits
	}
	return r, true
}

// ReleaseOf returns the release that a version belongs to: 7.3 of "7.3.4" and of
// "7.3.0-rc1". It is zero if the version does not begin with N.N.
func ReleaseOf(version string) Release {
	r, _ := ParseRelease(leadingRE.FindString(version))
	return r
}

func (r Release) String() string { return fmt.Sprintf("%d.%d", r[0], r[1]) }

// Compare returns a number below zero if r is older than other, zero if they are equal, and
// a number above zero if r is newer.
func (r Release) Compare(other Release) int {
	return cmp.Or(cmp.Compare(r[0], other[0]), cmp.Compare(r[1], other[1]))
}
