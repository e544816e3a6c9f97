// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The two runs of a comparison are in two folders of its own folder.
func TestLoadPair(t *testing.T) {
	for name, tc := range map[string]struct {
		text string // of PairFile; "" if there is none
		want Pair
		says string
	}{
		"two":              {`{"base": "b", "series": "s/x"}`, Pair{"b", "s/x"}, ""},
		"no file":          {"", Pair{}, "there is no DIR/pair.json: this is not the folder of a comparison, or the comparison was cut off at its start"},
		"damaged":          {"{", Pair{}, "DIR/pair.json: unexpected end of JSON input"},
		"the same":         {`{"base": "b", "series": "b"}`, Pair{}, `DIR/pair.json: "b" cannot be compared with itself`},
		"no base":          {`{"series": "s"}`, Pair{}, `DIR/pair.json: "" is not the name of a folder in this folder`},
		"no series":        {`{"base": "b"}`, Pair{}, `DIR/pair.json: "" is not the name of a folder in this folder`},
		"a base elsewhere": {`{"base": "../b", "series": "s"}`, Pair{}, `DIR/pair.json: "../b" is not the name of a folder in this folder`},
		"a series outside": {`{"base": "b", "series": "/s"}`, Pair{}, `DIR/pair.json: "/s" is not the name of a folder in this folder`},
	} {
		dir := t.TempDir()
		if tc.text != "" {
			write(t, dir, map[string]string{PairFile: tc.text})
		}
		got, err := LoadPair(dir)
		said := ""
		if err != nil {
			said = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if got != tc.want || said != tc.says {
			t.Errorf("%s: got %+v, %q, want %+v, %q", name, got, said, tc.want, tc.says)
		}
	}
}

func TestLoadComparison(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{PairFile: `{"base": "b", "series": "s"}`, "b/" + RunFile: `{"series": "control"}`, "s/" + RunFile: `{"series": "new"}`})
	want := PairEvidence{Base: Evidence{Run: &Run{Series: "control"}}, Series: Evidence{Run: &Run{Series: "new"}}}
	if got, err := LoadComparison(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, name := range []string{"b", "s", PairFile} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "away")); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadComparison(dir); err == nil {
			t.Errorf("without %s: got %+v", name, got)
		}
		if err := os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
