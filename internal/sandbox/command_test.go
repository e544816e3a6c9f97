// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	long := "begin" + strings.Repeat("x", 1<<20) + "end"
	for text, want := range map[string]string{
		"":              "",
		"one\n\n":       "one",
		"one\ntwo\nthr": "two\nthr",
		"a\nb\n" + long: "b\nbegin" + strings.Repeat("x", 495) + "[... 1047584 bytes ...]" + strings.Repeat("x", 497) + "end",
	} {
		if got := Tail([]byte(text), 2); got != want {
			t.Errorf("%.20q: got %d bytes, want %d: %.2000q", text, len(got), len(want), got)
		}
	}
}
