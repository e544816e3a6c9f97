// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/vmtest/flags"
)

// ciFiles run what must pass before a change is merged: by hand, on GitHub and
// on GitLab.
var ciFiles = []string{"../.ci/run", "../.github/workflows/test.yml", "../.gitlab-ci.yml"}

var makeRE = regexp.MustCompile(`(?m)^\s*(?:- )?(?:run: )?(make [^\n]*)$`)

// onlyHere is how the command begins that is in .ci/run alone.
const onlyHere = "make vmtest BASE=7.3 "

// TestCIFilesAgree demands that they run the same commands in the same order, but for the one that
// needs a cache, and that no series is left out.
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
			want = slices.DeleteFunc(slices.Clone(got), func(c string) bool { return strings.HasPrefix(c, onlyHere) })
			if len(got)-len(want) != 1 {
				t.Errorf("%s has %d commands %q, want one", file, len(got)-len(want), onlyHere)
			}
			got = want
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

// .ci/run tests 7.3 if its source and its kernel are in the cache, and says why if not.
func TestCIRunsNewer(t *testing.T) {
	script, err := os.ReadFile(ciFiles[0])
	if err != nil {
		t.Fatal(err)
	}
	const head = "LAST USE    SIZE    KIND    WHAT\n"
	const source = "1 hour ago  1.9 GB  source  linux-7.3.4, Debian's linux-source-7.3 7.3.4-1~bpo13+1\n"
	const others = "1 hour ago  1.9 GB  source  linux-6.12.117, Debian's linux-source-6.12 6.12.117-1\n" +
		"1 hour ago  88 MB   kernel  timens-offset on linux-6.12.117, default\n1 hour ago  88 MB   kernel  timens-offset on linux-7.3.4, default+debug\n" +
		"1 hour ago  88 MB   kernel  control on linux-7.3.4, default\n1 hour ago  88 MB   work folder  timens-offset on linux-7.3.4, default\n"
	const kernel = "1 hour ago  88 MB   kernel  timens-offset on linux-7.3.4, default\n"
	for kept, want := range map[string]string{
		head + others + kernel:          "==> 7.3 is not run here: its source is not in the cache; make vmtest BASE=7.3 fetches it",
		head + source + others:          "==> 7.3 is not run here: its kernel is not in the cache; make vmtest BASE=7.3 builds it",
		head + source + others + kernel: "made vmtest BASE=7.3 RUN=",
	} {
		world := hosttest.Folder(t, map[string]string{".ci/run": string(script), "kept": kept})
		for name, text := range map[string]string{"bin/vmtest": "#!/bin/sh\n[ \"$*\" = cache ] && cat kept\n", "bin/make": "#!/bin/sh\necho \"made $*\"\n"} {
			if err := errors.Join(os.MkdirAll(filepath.Join(world, "bin"), 0o755), os.WriteFile(filepath.Join(world, name), []byte(text), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", filepath.Join(world, ".ci/run"))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(world, "bin")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		runs := strings.Contains(string(out), "made vmtest BASE=7.3 ")
		if err != nil || strings.Count(string(out), want) != 1 || runs == strings.Contains(string(out), "is not run here") {
			t.Errorf("with\n%s%v, want %q:\n%s", kept, err, want, out)
		}
	}
}
