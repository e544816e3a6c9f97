// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"strings"
	"testing"

	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

const text = `// SPDX-License-Identifier: GPL-2.0
#include <linux/fork.h>

/*
 * A comment.
 */
static int answer = 42; /* data */
static int __init boot(void)
{
	return late();
}

#ifdef CONFIG_TIME_NS
int check(int x,
	  int y)
{
	int err;

	if (x > y ||
	    y < 0) {
		err = -EINVAL; // no
		goto out;
	} else {
		err = 0;
	}
out:
	return err;
}
#define TWICE(x) \
	((x) + (x))
#else
int check(int x, int y) { return 0; }
#endif
#if !defined(CONFIG_SMP)
int up(void) { return 1; }
#elif FOO
int maybe(void) { return 1; }
#endif
`

// lineOf returns the number of the first line of text that begins with prefix.
func lineOf(t *testing.T, prefix string) int {
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, prefix) {
			return i + 1
		}
	}
	t.Fatalf("no line begins with %q", prefix)
	return 0
}

// changed returns a change that adds a file with all of text.
func changed(path string) patch.FileDiff {
	c := patch.FileDiff{Path: path, After: []byte(text)}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		c.Lines = append(c.Lines, patch.DiffLine{Op: '+', N: i + 1, Text: line})
	}
	return c
}

func TestAttribute(t *testing.T) {
	const path = "kernel/check.c"
	at := func(prefix string) int { return lineOf(t, prefix) }
	tests := []test{
		{"p.TestA", Lines{path: {
			at("\treturn late"): {}, at("int check(int x,"): {Count: 2}, at("\tif (x"): {Count: 2, Partly: true}, at("\t\terr = -EINVAL"): {}, at("\t\tgoto"): {},
			at("\t\terr = 0"): {Count: 2}, at("\treturn err"): {Count: 2},
		}}},
		{"p.TestB", Lines{path: {
			at("\treturn late"): {}, at("int check(int x,"): {Count: 1}, at("\tif (x"): {Count: 1, Partly: true}, at("\t\terr = -EINVAL"): {Count: 1}, at("\t\tgoto"): {},
			at("\t\terr = 0"): {}, at("\treturn err"): {Count: 1},
		}}},
	}
	c := attribute([]patch.FileDiff{changed(path)}, tests, map[string]string{path: "x"}, options([]byte("CONFIG_TIME_NS=y\nCONFIG_SMP=y\n# CONFIG_FOO is not set\n")))
	got := make(map[int]verdict.CoveredLine)
	for _, l := range c.Files[0].Lines {
		got[l.N] = l
	}
	for prefix, want := range map[string]string{
		"// SPDX": verdict.CommentLine, "#include": directive, " * A comment": verdict.CommentLine, " */": verdict.CommentLine,
		"static int answer": declarator, "static int __init": declarator, "\treturn late": atBoot,
		"#ifdef": directive, "\t  int y)": declarator, "{": brace, "\tint err": declarator, "\t    y < 0": declarator,
		"\t} else": brace, "out:": brace, "#define": directive, "\t((x)": directive, "#else": directive,
		"int check(int x, int y)": leftOut, "int up": leftOut, "int maybe": declarator, "#endif": directive,
	} {
		if l := got[at(prefix)]; l.Uncounted != want {
			t.Errorf("%q: uncounted %q, want %q", l.Text, l.Uncounted, want)
		}
	}
	for prefix, want := range map[string]verdict.CoveredLine{
		"int check(int x,": {Count: 3, Tests: []int{0, 1}},
		"\tif (x":          {Count: 3, Tests: []int{0, 1}, Partly: true},
		"\t\terr = -EINV":  {Count: 1, Tests: []int{1}},
		"\t\terr = 0":      {Count: 2, Tests: []int{0}},
		"\t\tgoto":         {},
	} {
		l := got[at(prefix)]
		if l.Uncounted != "" || l.Count != want.Count || len(l.Tests) != len(want.Tests) || l.Partly != want.Partly {
			t.Errorf("%q: got %+v, want %+v", l.Text, l, want)
		}
	}
	if l := got[3]; l.Uncounted != verdict.BlankLine {
		t.Errorf("line 3 is %q, want %q", l.Uncounted, verdict.BlankLine)
	}
}

// In some files no line can be counted. Each line then says why.
func TestAttributeWholeFile(t *testing.T) {
	for path, want := range map[string]string{
		"tools/testing/selftests/clone3/x.c":    notKernel,
		"Documentation/x.rst":                   notKernel,
		"lib/vdso/gettimeofday.c":               vdso,
		"include/vdso/math64.h":                 vdso,
		"arch/x86/entry/vdso/vclock_gettime.c":  vdso,
		"arch/x86/include/asm/vdso/getrandom.h": vdso,
		"kernel/Kconfig":                        notC,
		"arch/x86/entry/vdso/vma.c":             verdict.NotBuilt,
		"kernel/other.c":                        verdict.NotBuilt,
	} {
		c := attribute([]patch.FileDiff{changed(path)}, []test{{"p.TestA", Lines{path: {1: {Count: 1}}}}}, map[string]string{"kernel/check.c": "x"}, nil)
		for _, l := range c.Files[0].Lines {
			if l.Uncounted != want || l.Countable() {
				t.Fatalf("%s:%d: uncounted %q, want %q", path, l.N, l.Uncounted, want)
			}
		}
	}
}

// Removed lines and context lines are not counted.
func TestAttributeContext(t *testing.T) {
	c := attribute([]patch.FileDiff{{Path: "a.c", After: []byte("x();\n"), Lines: []patch.DiffLine{{Op: ' ', N: 1, Text: "x();"}, {Op: '-', Text: "y();"}}}},
		[]test{{"p.TestA", Lines{"a.c": {1: {Count: 1}}}}}, map[string]string{"a.c": "x"}, nil)
	for _, l := range c.Files[0].Lines {
		if l.Count != 0 || l.Tests != nil || l.Countable() {
			t.Errorf("%+v is counted", l)
		}
	}
}
