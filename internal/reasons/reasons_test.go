// SPDX-License-Identifier: BSD-3-Clause

package reasons

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	word := Kind{Name: "words", Form: "WORD # reason", Mark: "#"}
	pattern := Kind{Name: "patterns", Form: "REGEXP # reason", Mark: " # "}
	floor := Kind{Name: "floors", Form: "PERCENT # reason", Mark: "#", Noun: "a floor of %s %%"}
	for name, tc := range map[string]struct {
		kind  Kind
		text  string
		want  string // WHAT|reason|PLACE of each entry, with a blank between two
		wrong string // the error
	}{
		"nothing":                  {kind: word},
		"blank lines and comments": {kind: word, text: "\n \t\n# x\n#y\n"},
		"entries":                  {kind: word, text: "# x\n\na b #why\n  c# what for \n", want: "a b|why|words:3 c|what for|words:4"},
		"no end of line":           {kind: word, text: "a # why", want: "a|why|words:1"},
		"the mark twice":           {kind: word, text: "a # why # not", want: "a|why # not|words:1"},
		"a # in a pattern":         {kind: pattern, text: "a#b c# # why", want: "a#b c#|why|patterns:1"},
		"no reason":                {kind: word, text: "b # x\n\na", wrong: `words:3: "a" has no reason; write it behind "#": the line is not "WORD # reason"`},
		"a blank reason":           {kind: word, text: "a # \t", wrong: `words:1: "a # \t" has no reason; write it behind "#": the line is not "WORD # reason"`},
		"another mark":             {kind: pattern, text: "a #why", wrong: `patterns:1: "a #why" has no reason; write it behind " # ": the line is not "REGEXP # reason"`},
		"a comment behind blanks":  {kind: pattern, text: " # why", want: "|why|patterns:1"},
		"a noun":                   {kind: floor, text: "50 #", wrong: `floors:1: a floor of 50 % has no reason; write it behind "#": the line is not "PERCENT # reason"`},
	} {
		all, err := tc.kind.Parse([]byte(tc.text))
		var got []string
		for _, e := range all {
			got = append(got, e.What+"|"+e.Reason+"|"+e.Place())
		}
		said := ""
		if err != nil {
			said = err.Error()
		}
		if strings.Join(got, " ") != tc.want || said != tc.wrong {
			t.Errorf("%s: got %q, %q, want %q, %q", name, got, said, tc.want, tc.wrong)
		}
	}
}

func TestWords(t *testing.T) {
	all, err := Kind{Name: "words", Form: "A B # reason", Mark: "#"}.Parse([]byte("a\tb # why\na # why\na b c # why\n"))
	if err != nil || len(all) != 3 {
		t.Fatalf("got %v, %v, want three entries", all, err)
	}
	if words, err := all[0].Words(2); err != nil || strings.Join(words, "+") != "a+b" {
		t.Errorf("got %q, %v, want a and b", words, err)
	}
	for _, e := range all[1:] {
		want := e.Place() + `: "` + e.What + ` # why" is not "A B # reason"`
		if words, err := e.Words(2); err == nil || err.Error() != want {
			t.Errorf("got %q, %v, want %s", words, err, want)
		}
	}
}

func TestUnmatched(t *testing.T) {
	if got := Unmatched([]int{1, 2, 3}, func(n int) bool { return n == 2 }); len(got) != 2 || got[0] != 1 || got[1] != 3 {
		t.Errorf("got %v, want 1 and 3", got)
	}
}
