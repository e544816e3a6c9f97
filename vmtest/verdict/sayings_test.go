// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sayings are all findings of the cases of a table. A user reads these sentences: each says what
// is wrong with what, where, and which test or kernel is to blame. They are stored beside the
// recorded runs, "go test ./vmtest/verdict -update" writes them, and a person reads the git diff.
type sayings []string

func (s *sayings) add(name string, v Verdict, all []Finding) {
	text := fmt.Sprintf("%s: %v\n", name, v)
	for _, f := range all {
		text += fmt.Sprintf("\t%v", f.Verdict)
		for _, part := range [][2]string{{"lane", f.Lane}, {"test", f.Test}, {"during", f.During}} {
			if part[1] != "" {
				text += fmt.Sprintf(" (%s %s)", part[0], part[1])
			}
		}
		text += ": " + strings.ReplaceAll(f.Text, "\n", "\n\t\t") + "\n"
	}
	*s = append(*s, text)
}

// compare compares the sayings of all cases with the stored ones of the test.
func (s sayings) compare(t *testing.T, cases int) {
	t.Helper()
	if len(s) != cases {
		return // -run has left out some
	}
	slices.Sort(s)
	got, file := strings.Join(s, ""), filepath.Join("testdata", "findings", t.Name())
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stored := strings.Split(string(want), "\n")
	for line := range strings.SplitSeq(got, "\n") {
		if !slices.Contains(stored, line) {
			t.Errorf("%s lacks %q; go test ./vmtest/verdict -update writes it", file, line)
		}
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
