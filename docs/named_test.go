// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
)

// command is something that a page tells the reader to type.
type command struct {
	page string
	line string   // as it stands there
	args []string // behind the program
}

// commandRE matches what runs vmtest or make, also behind a prompt or as an
// argument of "git bisect run".
var commandRE = regexp.MustCompile(`^(?:\$ )?(?:git bisect run |Commands +)?(?:\S*bin/)?(vmtest|make)((?: .*)?)$`)

// commands are those of a program on all pages.
func commands(t *testing.T, program string) []command {
	t.Helper()
	pages := read(t)
	var all []command
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, line := range pages[name].code {
			for part := range strings.SplitSeq(line, " | ") {
				m := commandRE.FindStringSubmatch(strings.TrimSpace(part))
				if m == nil || m[1] != program {
					continue
				}
				typed, _, _ := strings.Cut(m[2], " #")
				all = append(all, command{name, line, strings.Fields(typed)})
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("the pages name %d commands of %s: were they read?", len(all), program)
	}
	return all
}

func read(t *testing.T) map[string]page {
	t.Helper()
	pages, err := readPages(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// hold holds each command of a program on the pages to a check, and the check to cases. The
// check says what is wrong with the arguments of a command, or "".
func hold(t *testing.T, program string, check func(args []string) string, cases map[string]string) {
	t.Helper()
	for _, c := range commands(t, program) {
		if why := check(c.args); why != "" {
			t.Errorf("%s: %q: %s", c.page, c.line, why)
		}
	}
	for args, want := range cases {
		if got := check(strings.Fields(args)); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

// Every verb and flag of vmtest that a page names is one that its help has.
func TestVerbs(t *testing.T) {
	retest.IfChanged(t, "..", "*.go", "go.mod")
	program := filepath.Join(t.TempDir(), "vmtest")
	if out, err := exec.Command("go", "build", "-o", program, "../vmtest").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help := helpOf(t, program)
	hold(t, "vmtest", func(args []string) string { return notInHelp(help, args) }, map[string]string{
		"runn":                    "no such verb",
		"seriess":                 "no such verb",
		"series -h":               "",
		"-version":                "",
		"series edit x":           "",
		"run -tree . -rnu X":      "run has no flag -rnu",
		"series export -lane x y": "series export has no flag -lane",
		"shell -- ls -l":          "",
		"shell -l -- ls":          "shell has no flag -l",
		"VERB -h":                 "",
		"":                        "",
	})
}

// helpOf returns the help of each verb.
func helpOf(t *testing.T, program string) func(verb string) (string, bool) {
	t.Helper()
	return func(verb string) (string, bool) {
		out, err := exec.Command(program, append(strings.Fields(verb), "-h")...).CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		return string(out), err == nil
	}
}

// notInHelp says what is wrong with the arguments of a vmtest command, or "".
func notInHelp(help func(verb string) (string, bool), args []string) string {
	if len(args) == 0 || slices.Contains([]string{"-h", "-version", "VERB"}, args[0]) {
		return ""
	}
	for words := min(2, len(args)); words > 0; words-- {
		verb := strings.Join(args[:words], " ")
		if strings.Contains(verb, "-") {
			continue
		}
		text, ok := help(verb)
		if !ok {
			continue
		}
		for _, arg := range args[words:] {
			if arg == "--" { // what follows is a command for the guest
				break
			}
			if strings.HasPrefix(arg, "-") && arg != "-h" && !regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(arg)+`\b`).MatchString(text) {
				return fmt.Sprintf("%s has no flag %s", verb, arg)
			}
		}
		return ""
	}
	return "no such verb"
}

// Every target and variable of make that a page names is one of the Makefile.
func TestTargets(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	hold(t, "make", func(args []string) string { return notInMakefile(makefile, args) }, map[string]string{
		"tests":              "no target tests",
		"vmtest SERIE=a":     "no variable SERIE",
		"vmtest SERIES=a":    "",
		"steady N=10 LANE=x": "",
		"":                   "",
	})
}

// notInMakefile says what is wrong with the arguments of make, or "".
func notInMakefile(makefile []byte, args []string) string {
	for _, arg := range args {
		name, _, variable := strings.Cut(arg, "=")
		target := regexp.MustCompile(`(?m)^(?:[a-z]+ )*` + regexp.QuoteMeta(name) + `(?: [a-z]+)*:( |$)`)
		switch {
		case variable && !regexp.MustCompile(`\$[({]`+regexp.QuoteMeta(name)+`[)}]`).Match(makefile):
			return "no variable " + name
		case !variable && !target.Match(makefile):
			return "no target " + name
		}
	}
	return ""
}

// Every test that a page names is one.
func TestTests(t *testing.T) {
	have := testFuncs(t)
	named := regexp.MustCompile(`^(?:[\w/-]+\.)?(Test[A-Z]\w+)(\.\.\.)?$`)
	count := 0
	pages := read(t)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, code := range pages[name].code {
			m := named.FindStringSubmatch(code)
			if m == nil || m[1] == "TestYours" {
				continue
			}
			count++
			if !slices.ContainsFunc(have, func(f string) bool { return f == m[1] || m[2] != "" && strings.HasPrefix(f, m[1]) }) {
				t.Errorf("%s: there is no %s", name, code)
			}
		}
	}
	if count < 50 {
		t.Errorf("the pages name %d tests: were they read?", count)
	}
}

// testFuncs are the names of all test functions of the module.
func testFuncs(t *testing.T) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS("../tests"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../tests", path))
		for line := range bytes.Lines(text) {
			if name, ok := bytes.CutPrefix(line, []byte("func Test")); ok {
				name, _, _ = bytes.Cut(name, []byte("("))
				all = append(all, "Test"+string(name))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
