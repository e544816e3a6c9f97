// SPDX-License-Identifier: BSD-3-Clause

package nearest

import "testing"

// Only a word that is near enough is suggested.
func TestWord(t *testing.T) {
	words := []string{"series", "sandbox", "run", "results", "range", "tests", "timens-offset", "inline-ns"}
	for word, want := range map[string]string{
		"serise": "series", "rune": "run", "sand": "sandbox", "inlinens": "inline-ns", "timens_offset": "timens-offset",
		"x": "", "completely-else": "", "re": "results", "r": "", "": "",
	} {
		if got := Word(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b          string
		whole, within int
	}{
		{"", "", 0, 0},
		{"clock", "clock", 0, 0},
		{"clock", "timens.TestClocks", 13, 1},
		{"sleep", "slep", 1, 1},
		{"ab", "ba", 2, 1},
		{"", "three", 5, 0},
	} {
		if got := Distance(tc.a, tc.b); got != tc.whole {
			t.Errorf("Distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.whole)
		}
		if got := DistanceWithin(tc.a, tc.b); got != tc.within {
			t.Errorf("DistanceWithin(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.within)
		}
	}
}
