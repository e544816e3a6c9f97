// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
)

// A variable that a target does not read ends make before anything is done: it would
// change nothing, and the default would be tested instead.
func TestMakeRefusesVariables(t *testing.T) {
	retest.IfChanged(t, "..", "Makefile")
	for line, want := range map[string]string{
		"vmtest SERIES=control LANE=real RUN=x ARGS=-v": "bin/vmtest run -series 'control'  -lane 'real' -run 'x' -v\n",
		"RUN=x":                            "bin/vmtest run    -run 'x' \n",
		"SERIES=a STORE=/net/k":            "bin/vmtest run -series 'a'  -store '/net/k'   \n",
		"shell STORE=/k ARGS=--":           "bin/vmtest shell   -store '/k' --\n",
		"presubmit BASE=7.3 STORE=/k":      "bin/vmtest presubmit -base '7.3' -store '/k'    \n",
		"mutants STORE=/k":                 `"make mutants" does not read STORE; `,
		"SERIES=a,b BASE=6.12,7.3":         "bin/vmtest run -series 'a,b' -base '6.12,7.3'   \n",
		"kernel SERIES=control":            "bin/vmtest kernel -series 'control'  \n",
		"check SERIES=a,b":                 "bin/vmtest series check     a b\n",
		"presubmit SERIES=a BASE=7.3":      "bin/vmtest presubmit -base '7.3'    a\n",
		"nightly BASE=7.3 ARGS=-budget=4h": "bin/vmtest nightly -out 'nights'  -base '7.3'   -budget=4h\n",
		"series":                           "bin/vmtest series list  \n",
		"series BASE=7.3":                  "bin/vmtest series list -base '7.3' \n",
		"mutants BASE=7.3 RUN=x":           "bin/mutants-run  -base '7.3' -run 'x'     \n",
		"harness-mutants RUN=x ARGS=-n":    "bin/harness-mutants -run 'x'  -n\n",
		"harness-mutants UPDATE=yes":       "bin/harness-mutants  -update \n",
		"harness-mutants SERIES=control":   `"make harness-mutants" does not read SERIES; it reads ARGS RUN UPDATE.`,
		"nightly OUT=/x":                   "bin/vmtest nightly -out '/x'     \n",
		"steady N=4":                       "-steady 4 ",
		"slurm-test":                       " slurm-wlm\n",
		"check":                            " python3-sphinx python3-yaml\n",
		"nightly":                          " python3-sphinx python3-yaml\n",
		"client-test BASE=7.3":             "-boot-clients -base '7.3'\n",
		"selftest-test BASE=7.3":           "-boot-selftests -base '7.3'\n",
		"mails-test":                       "-real-mails \n",
		"mails-test SERIES=x":              `"make mails-test" does not read SERIES; it reads BASE.`,
		"um-test":                          "./tests/um -args -boot-um\n",
		"um-test BASE=6.12":                `"make um-test" does not read BASE; it reads no variable.`,
		"slurm-test RUN=x":                 `"make slurm-test" does not read RUN; it reads no variable.`,
		"vmtest SERIE=control":             `"make vmtest" does not read SERIE; it reads ARGS BASE LANE RUN SERIES STORE.`,
		"N=4":                              `"make vmtest" does not read N; `,
		"shell RUN=x":                      `"make shell" does not read RUN; it reads ARGS BASE SERIES STORE.`,
		"initramfs SERIES=control":         `"make initramfs" does not read SERIES; `,
		"test RUN=x":                       `"make test" does not read RUN; it reads no variable.`,
		"canary LANE=real":                 `"make canary" does not read LANE; `,
		"kernel initramfs LANE=two":        `"make kernel initramfs" does not read LANE; `,
	} {
		cmd := exec.Command("make", append([]string{"-n", "-C", ".."}, strings.Fields(line)...)...)
		cmd.Env = append(os.Environ(), "N=3", "SERIE=x", "MAKEFLAGS=") // those of the environment are no mistake
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) || (err != nil) != strings.Contains(want, "does not read") {
			t.Errorf("make %s: %v, want %q in\n%s", line, err, want, out)
		}
	}
}

// "make test" tests every package that the host can test once, and those that start goroutines with
// the race detector.
func TestMakeTestsAll(t *testing.T) {
	retest.IfChanged(t, "..", "Makefile", "*.go", "go.mod")
	out, err := exec.Command("make", "-s", "-n", "-C", "..", "test").Output()
	if err != nil {
		t.Fatal(err)
	}
	tested := make(map[string]string) // what the package is tested with
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "go test ") || strings.Contains(line, " -run ") { // those run a part again
			continue
		}
		for _, word := range strings.Fields(line) {
			if pkg, ok := strings.CutPrefix(word, "./"); ok {
				if tested[pkg] != "" {
					t.Errorf("%s is tested twice", pkg)
				}
				tested[pkg] = line
			}
		}
	}
	list := exec.Command("go", "list", "-f", `{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}`, "./...")
	list.Dir = ".."
	all, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	inGuest := func(pkg string) bool {
		name, ok := strings.CutPrefix(pkg, "tests/")
		return ok && !strings.Contains(name, "/") && name != "mutants" && name != "layout"
	}
	for pkg := range strings.FieldsSeq(string(all)) {
		pkg = strings.TrimPrefix(pkg, "timens-vmtest/")
		if tested[pkg] == "" && !inGuest(pkg) {
			t.Errorf("%s is not tested", pkg)
		}
	}
	for pkg, race := range map[string]bool{"vmtest/vm": true, "internal/sandbox": true, "vmtest/verdict": false} {
		if strings.Contains(tested[pkg], " -race ") != race {
			t.Errorf("%s is tested by %q", pkg, tested[pkg])
		}
	}
}
