// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/vmtest/flags"
)

// ciFiles run what must pass before a change is merged: by hand, on GitHub and
// on GitLab.
var ciFiles = []string{"../.ci/run", "../.github/workflows/test.yml", "../.gitlab-ci.yml"}

var makeRE = regexp.MustCompile(`(?m)^\s*(?:- )?(?:run: )?(make [^\n]*)$`)

// TestCIFilesAgree demands that they run the same commands in the same order, and
// that no series is left out.
func TestCIFilesAgree(t *testing.T) {
	var want []string
	for i, file := range ciFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range makeRE.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		if i == 0 {
			want = got
		}
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s runs\n\t%s\nand %s runs\n\t%s", file, strings.Join(got, "\n\t"), ciFiles[0], strings.Join(want, "\n\t"))
		}
	}
	for _, command := range []string{"make test", "make vmtest"} { // the latter is for the default series
		if !slices.Contains(want, command) {
			t.Errorf("%s lacks %q", ciFiles[0], command)
		}
	}
	series, err := os.ReadDir("../kernel/patches")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range series {
		name := regexp.MustCompile(`^make vmtest SERIES=(\S+,)?` + regexp.QuoteMeta(one.Name()) + `[, ]`)
		if one.Name() != flags.DefaultSeries && !slices.ContainsFunc(want, func(c string) bool { return name.MatchString(c + " ") }) {
			t.Errorf("%s tests no series %s", ciFiles[0], one.Name())
		}
	}
}
