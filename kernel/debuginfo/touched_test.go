// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"slices"
	"testing"
)

// The functions that contain changed lines are found, also one that is inlined everywhere. A line
// behind a function is in none.
func TestTouched(t *testing.T) {
	image, _, _ := program(t)
	text := decoded + "\n\n"
	for name, tc := range map[string]struct {
		lines []int
		want  []string
	}{
		"inlined":    {[]int{4}, []string{"inner"}},
		"two":        {[]int{8, 9, 13}, []string{"outer", "stop"}},
		"the head":   {[]int{6}, []string{"outer"}},
		"behind it":  {[]int{20}, nil},
		"before all": {[]int{1}, nil},
	} {
		got, err := Touched(image.Debug(), map[string]Lines{"a.c": {tc.lines, []byte(text)}})
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
	if got, err := Touched(image.Debug(), map[string]Lines{"b.c": {[]int{4}, nil}}); err != nil || got != nil {
		t.Errorf("another file: got %q, %v", got, err)
	}
}
