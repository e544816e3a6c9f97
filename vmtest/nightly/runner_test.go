// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// machine is a Machine whose cells are made of no more than a base.
func machine(t *testing.T) Machine {
	t.Helper()
	return Machine{
		Host: host.Host{Cache: cache.Cache{Dir: t.TempDir()}, Report: &teller{}}, Root: t.TempDir(),
		Request: func(context.Context, Cell) (run.Request, error) {
			return run.Request{Base: source.Spec{Tree: "/linux"}, ShareKernel: true}, nil
		},
		Flags: func(Cell) []string { return []string{"-lane", "real"} },
	}
}

// An attempt puts older inputs in the place of those of tonight.
func TestRequestOfAttempt(t *testing.T) {
	m := machine(t)
	dir := t.TempDir()
	m.Host.Sandbox.Off = true
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	diff := "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int x;\n+int y;\n"
	for name, tc := range map[string]struct {
		attempt culprit.Attempt
		check   func(run.Request) bool
	}{
		"tonight's": {culprit.Attempt{}, func(r run.Request) bool {
			return r.Base == source.Spec{Tree: "/linux"} && r.Match == nil && !r.Forget && r.ShareKernel && strings.Join(r.Command, " ") == "bin/vmtest run -lane real"
		}},
		"two tests": {culprit.Attempt{Tests: []string{"p.TestA", "p/386.TestB"}}, func(r run.Request) bool {
			return r.Match.MatchString("p.TestA") && r.Match.MatchString("p/386.TestB") && !r.Match.MatchString("p.TestAB") && !r.Match.MatchString("q.p.TestA") && !r.Match.MatchString("pxTestA")
		}},
		"a commit": {culprit.Attempt{Commit: "c"}, func(r run.Request) bool { return r.Base == source.Spec{Tree: "/linux", Commit: "c"} }},
		"a tree":   {culprit.Attempt{Tree: "/clone"}, func(r run.Request) bool { return r.Base == source.Spec{Tree: "/clone"} && r.Forget }},
		"a package": {culprit.Attempt{Package: "linux-source-6.12 6.12.117-1"}, func(r run.Request) bool {
			return r.Base == source.Spec{Package: "linux-source-6.12", Version: "6.12.117-1"}
		}},
		"patches": {culprit.Attempt{Replace: true, Patches: []culprit.Patch{{Name: "0001-x.patch", Path: put("digest", diff)}}}, func(r run.Request) bool {
			return len(r.Series.Patches) == 1 && r.Series.Patches[0].Name == "0001-x.patch" && !r.ShareKernel
		}},
		"no patch at all":      {culprit.Attempt{Replace: true}, func(r run.Request) bool { return len(r.Series.Patches) == 0 && !r.ShareKernel }},
		"an old configuration": {culprit.Attempt{Config: put("config", "CONFIG_A=y\n")}, func(r run.Request) bool { return len(r.Config.Options) == 1 && !r.ShareKernel }},
	} {
		r, err := m.request(t.Context(), Cell{}, tc.attempt)
		if err != nil || !tc.check(r) {
			t.Errorf("%s: %v, got %+v", name, err, r)
		}
	}
}

// The exit code of a command is its verdict. What it printed is kept.
func TestCommands(t *testing.T) {
	for name, tc := range map[string]struct {
		script  string
		want    verdict.Verdict
		stage   string
		outcome history.Outcome
	}{
		"passes":            {"exit 0", verdict.Passed, history.StageTests, history.Good},
		"fails":             {"echo a; echo why; exit 1", verdict.Failed, history.StageTests, history.Bad},
		"does not build":    {"echo why; exit 3", verdict.Unbuilt, history.StageBuild, history.Bad},
		"usage":             {"echo why; exit 2", verdict.Unjudged, history.StageTests, history.NoVerdict},
		"not judged":        {"echo why; exit 4", verdict.Unjudged, history.StageTests, history.NoVerdict},
		"killed":            {"echo why; kill -KILL $$", verdict.Unjudged, history.StageTests, history.NoVerdict},
		"has no make's":     {`test -z "$MAKEFLAGS$MAKELEVEL"`, verdict.Passed, history.StageTests, history.Good},
		"has its share":     {`test "$GOMAXPROCS" = 3`, verdict.Passed, history.StageTests, history.Good},
		"where it puts all": {`test -d "{}"`, verdict.Passed, history.StageTests, history.Good},
	} {
		m, dir := machine(t), t.TempDir()
		t.Setenv("MAKEFLAGS", "-n")
		t.Setenv("MAKELEVEL", "1")
		c, err := m.Run(t.Context(), Cell{Command: []string{"sh", "-c", tc.script}}, culprit.Attempt{}, worker.Share{Cores: 3}, dir)
		if err != nil || c.Verdict != tc.want.String() || c.Stage != tc.stage || c.Outcome("") != tc.outcome {
			t.Errorf("%s: %v, got %+v, want %v", name, err, c, tc.want)
		}
		if tc.outcome != history.Good && c.Trouble != "why" && strings.Contains(tc.script, "why") {
			t.Errorf("%s: the trouble is %q", name, c.Trouble)
		}
		if c.Inputs.QEMU == "" || c.Inputs.Toolchain == "" {
			t.Errorf("%s: the inputs are %+v", name, c.Inputs)
		}
		again, err := m.Judge(dir) // the folder alone says the same, but for what only this machine knows
		again.Inputs, again.CPUS = c.Inputs, c.CPUS
		if err != nil || !same(again, c) {
			t.Errorf("%s: judged again: %v, got %+v, want %+v", name, err, again, c)
		}
	}
	if v := verdictOfExit("/usr/bin/make", 2); v != verdict.Failed {
		t.Errorf("make that ends with 2 is %v", v)
	}
	m := machine(t)
	if _, err := m.Run(t.Context(), Cell{Command: []string{"./no-such-program"}}, culprit.Attempt{}, worker.Share{}, t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a command that there is not: %v", err)
	}
}

// The tests of an older commit run by the program of that commit. One that does not build
// has no verdict.
func TestOlderProject(t *testing.T) {
	m, project := machine(t), t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(project, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// This program leaves the folder of a run whose kernel did not build.
	write("go.mod", "module older\n")
	write("vmtest/main.go", `package main

import (
	"os"
	"strings"
)

func main() {
	dir := os.Args[3]
	os.Mkdir(dir+"/x", 0o755)
	os.Symlink("x", dir+"/latest")
	os.WriteFile(dir+"/x/run.json", []byte("{\"series\":\"s\",\"base\":\"6.12\",\"origin\":\"Debian's linux-source-6.12 6.12.117-1\"}"), 0o644)
	os.WriteFile(dir+"/x/trouble.json", []byte("{\"blame\":\"kernel\",\"text\":\""+strings.Join(os.Args[4:], " ")+"\"}"), 0o644)
}
`)
	a := culprit.Attempt{Project: project, Tests: []string{"p/TestA"}}
	c, err := m.Run(t.Context(), Cell{}, a, worker.Share{}, t.TempDir())
	if want := "-lane real -run ^(p/TestA)$"; err != nil || c.Stage != history.StageBuild || c.Trouble != want || c.Inputs.Package != "linux-source-6.12 6.12.117-1" {
		t.Errorf("%v, got %+v, want the trouble %q", err, c, want)
	}
	write("vmtest/main.go", "package main\n\nfunc main() { nonsense }\n")
	c, err = m.Run(t.Context(), Cell{}, a, worker.Share{}, t.TempDir())
	if err != nil || c.Outcome("p/TestA") != history.NoVerdict || !strings.Contains(c.Trouble, "undefined: nonsense") {
		t.Errorf("%v, got %+v", err, c)
	}
	write("vmtest/main.go", "package main\n\nfunc main() {}\n")
	a.Commit = "c"
	if _, err := m.Run(t.Context(), Cell{}, a, worker.Share{}, t.TempDir()); err == nil {
		t.Error("an older kernel was ignored")
	}
}

// Every mutant has its turn in exactly one of seven nights.
func TestMutantsTurn(t *testing.T) {
	cells, err := ReadCommands("cells")
	if err != nil {
		t.Fatal(err)
	}
	patterns := make(map[int]*regexp.Regexp)
	for _, c := range cells {
		for _, word := range c.Command {
			if re, ok := strings.CutPrefix(word, "RUN="); ok && c.Of == 7 {
				patterns[c.Turn] = regexp.MustCompile(re)
			}
		}
	}
	files, err := filepath.Glob("../../tests/mutants/list/*.txtar")
	if err != nil || len(files) == 0 || len(patterns) != 7 {
		t.Fatalf("%v, %d files, turns %v", err, len(files), patterns)
	}
	total, counts := 0, make(map[int]int)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^-- (\S+) --$`).FindAllStringSubmatch(string(text), -1) {
			total++
			turns := 0
			for turn, re := range patterns {
				if re.MatchString("control/" + m[1]) {
					turns++
					counts[turn]++
				}
			}
			if turns != 1 {
				t.Errorf("%s has %d turns", m[1], turns)
			}
		}
	}
	for turn, n := range counts {
		if n > total/4 {
			t.Errorf("turn %d has %d of %d mutants", turn, n, total)
		}
	}
}
