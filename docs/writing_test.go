// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const writingFile = "writing-a-test.md"

// block is a fenced code block: the words after its fence, and its text.
type block struct{ kind, text string }

func (b block) String() string { return "```" + b.kind + "\n" + b.text + "```" }

func blocks(page string) (all []block) {
	parts := strings.Split("\n"+page, "\n```")
	for i := 1; i+1 < len(parts); i += 2 {
		kind, text, _ := strings.Cut(parts[i], "\n")
		all = append(all, block{kind, text + "\n"})
	}
	return all
}

// Every code block of the page on writing a test must be whole lines of the file
// that it names, or commands that select a test or a mutant. TestTargets checks
// the targets of make.
func TestBlocksOfWriting(t *testing.T) {
	page, err := os.ReadFile(writingFile)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for _, b := range blocks(string(page)) {
		kind, file, _ := strings.Cut(b.kind, " ")
		kinds[kind]++
		if why := b.check(t, kind, file); why != "" {
			t.Errorf("%s: %s:\n%v", writingFile, why, b)
		}
	}
	if kinds["go"] < 5 || kinds["text"] < 2 || kinds["sh"] < 5 {
		t.Errorf("%s has too few blocks of some kind: %v", writingFile, kinds)
	}
}

// check returns what is wrong with a block, or "".
func (b block) check(t *testing.T, kind, file string) string {
	t.Helper()
	switch {
	case (kind == "go" || kind == "text") && file != "":
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			return err.Error()
		}
		if !strings.Contains("\n"+string(text), "\n"+b.text) {
			return file + " does not have these lines"
		}
	case kind == "sh" && file == "":
		for line := range strings.Lines(b.text) {
			if why := selection(t, strings.TrimSpace(line)); why != "" {
				return strings.TrimSpace(line) + ": " + why
			}
		}
	default:
		return "the block is neither text of a file nor commands"
	}
	return ""
}

// runRE finds the expression by which a command selects tests or mutants.
var runRE = regexp.MustCompile(`(?:RUN=|-run )'?([^' ]+)'?`)

// selection returns what is wrong with what a command selects, or "".
func selection(t *testing.T, line string) string {
	t.Helper()
	var names []string
	if args, ok := strings.CutPrefix(strings.TrimPrefix(line, "sudo "), "go test ./"); ok {
		folder, _, _ := strings.Cut(args, " ")
		names = testNames(t, folder)
	} else if strings.HasPrefix(line, "make mutants ") {
		names = mutantNames(t)
	} else if strings.HasPrefix(line, "make ") {
		names = testNames(t, "tests/timens", "tests/clone3")
	} else {
		return "is not a command that this test knows"
	}
	selects := runRE.FindStringSubmatch(line)
	if selects == nil {
		return ""
	}
	if re, err := regexp.Compile(selects[1]); err != nil || !slices.ContainsFunc(names, re.MatchString) {
		return "selects nothing"
	}
	return ""
}

// declaredRE finds tests and examples.
var declaredRE = regexp.MustCompile(`(?m)^func ((?:Test|Example)\w*)\(`)

func testNames(t *testing.T, folders ...string) (names []string) {
	t.Helper()
	for _, folder := range folders {
		names = append(names, found(t, folder+"/*_test.go", declaredRE)...)
	}
	return names
}

// listedRE finds mutants in their lists.
var listedRE = regexp.MustCompile(`(?m)^-- ([a-z0-9-]+) --$`)

// mutantNames returns the mutants of the unpatched kernel, as make mutants names
// them.
func mutantNames(t *testing.T) (names []string) {
	t.Helper()
	for _, name := range found(t, "tests/mutants/list/control-*.txtar", listedRE) {
		names = append(names, "control/"+name)
	}
	return names
}

// found returns what an expression finds in files, of which there must be some.
func found(t *testing.T, glob string, re *regexp.Regexp) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", glob))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", glob, len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
