// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package generate

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/retest"
)

const switchText = "extern unsigned int vmtest_mutant;\n"

// composeFolder makes a folder with the header of the switch.
func composeFolder(t *testing.T) string {
	t.Helper()
	retest.IfChanged(t, ".", "testdata") // gcc reads headers there
	dir := t.TempDir()
	header := filepath.Join(dir, SwitchHeader)
	if err := os.MkdirAll(filepath.Dir(header), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(header, []byte(switchText), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// gcc compiles C code and returns what gcc says if it refuses the code.
func gcc(ctx context.Context, dir, name, text string, args ...string) (string, error) {
	source := filepath.Join(dir, name+".c")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "gcc", append([]string{"-std=gnu11", "-ftabstop=1", "-I", dir, "-I", "testdata"}, append(args, source)...)...).CombinedOutput()
	return string(out), err
}

// asleepOf makes all mutants of a text, with numbers from 1.
func asleepOf(t *testing.T, src Source) []Asleep {
	t.Helper()
	r, err := Generate(src, nil, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Mutants) == 0 {
		t.Fatal("there are no mutants")
	}
	var all []Asleep
	for i, m := range r.Mutants {
		all = append(all, Asleep{Mutant: m, Number: i + 1})
	}
	return all
}

// The wanted text has the mutants of the edits alone, in the order of the text.
func TestCompose(t *testing.T) {
	const begin = "struct box { int tv_sec, tv_nsec; };\nint g(int x);\nint f(int a, int *p, struct box *s)\n{\n\t"
	for name, c := range map[string]struct {
		text  string // of the function
		edits string // New of each mutant that is asleep, separated by "|"
		want  string
		alone int
	}{
		"a value":                          {"return a - 1;", "1 - a", "return (vmtest_mutant == 1 ? (1 - a) : (a - 1));", 0},
		"values within a value":            {"return a - 1;", "1 - a|0", "return (vmtest_mutant == 1 ? (1 - a) : (a - (vmtest_mutant == 2 ? (0) : (1))));", 0},
		"one place":                        {"return a - 1;", "0|2", "return a - (vmtest_mutant == 1 ? (0) : vmtest_mutant == 2 ? (2) : (1));", 0},
		"a condition":                      {"if (p)\n\t\ta = 1;\n\treturn a;", "!p", "if ((vmtest_mutant == 1 ? !!(!p) : !!(p)))", 0},
		"a statement":                      {"if (a)\n\t\tg(a);\n\telse\n\t\tg(1);\n\treturn 0;", ";", "if (a)\n\t\t{ if (vmtest_mutant == 1) { ; } else { g(a); } }\n\telse", 0},
		"two statements":                   {"p[0] = a;\n\tp[1] = 2;\n\treturn 0;", "p[1] = 2;\n\tp[0] = a;", "{ if (vmtest_mutant == 1) { p[1] = 2;\n\tp[0] = a; } else { p[0] = a;\n\tp[1] = 2; } }\n\treturn", 0},
		"statements that overlap":          {"p[0] = a;\n\tp[1] = 2;\n\tp[2] = 3;\n\treturn 0;", "p[1] = 2;\n\tp[0] = a;|p[2] = 3;\n\tp[1] = 2;", "{ if (vmtest_mutant == 1) { p[1] = 2;\n\tp[0] = a;\n\tp[2] = 3; } else if (vmtest_mutant == 2) { p[0] = a;\n\tp[2] = 3;\n\tp[1] = 2; } else { p[0] = a;\n\tp[1] = 2;\n\tp[2] = 3; } }\n\treturn", 0},
		"an early return":                  {"g(a);\n\treturn 1;", "return 0;\n\t", "if (vmtest_mutant == 1) return 0;\n\tg(a);", 0},
		"an early break":                   {"while (a) {\n\t\tg(a);\n\t}\n\treturn 0;", "\tbreak;\n\t", "g(a);\n\tif (vmtest_mutant == 1) break;\n\t}", 0},
		"what is assigned to":              {"p[a] = 2;\n\treturn 0;", "a + 1", "p[(vmtest_mutant == 1 ? (a + 1) : (a))] = 2;", 0},
		"an assignment":                    {"a += 2;\n\treturn a;", "-=", "(vmtest_mutant == 1 ? (a -= 2) : (a += 2));", 0},
		"an object that is assigned to":    {"s->tv_sec = 2;\n\treturn 0;", "tv_nsec", "(vmtest_mutant == 1 ? (s->tv_nsec = 2) : (s->tv_sec = 2));", 0},
		"an object whose address is taken": {"return g(*&s->tv_sec);", "tv_nsec", "g(*(vmtest_mutant == 1 ? (&s->tv_nsec) : (&s->tv_sec)))", 0},
		"an object that is counted":        {"s->tv_sec++;\n\treturn 0;", "tv_nsec", "(vmtest_mutant == 1 ? (s->tv_nsec++) : (s->tv_sec++));", 0},
		"an address":                       {"return g(*&p[a]);", "a + 1", "g(*&p[(vmtest_mutant == 1 ? (a + 1) : (a))])", 0},
		"the function of a call":           {"return ktime_add(a, 1);", "ktime_sub", "return (vmtest_mutant == 1 ? (ktime_sub(a, 1)) : (ktime_add(a, 1)));", 0},
		"an initial value":                 {"int b = a + 2;\n\treturn b;", "1", "int b = a + (vmtest_mutant == 1 ? (1) : (2));", 0},
		"a static variable":                {"static int b = 2;\n\treturn b + a;", "1", "static int b = 2;", 1},
		"the size of an array":             {"int b[2];\n\treturn g(b[0]);", "1", "{ if (vmtest_mutant == 1) { {\n\tint b[1];", 0},
		"a case label":                     {"switch (a) {\n\tcase 3:\n\t\treturn 5;\n\t}\n\treturn 0;", "2", "{ if (vmtest_mutant == 1) { switch (a) {\n\tcase 2:", 0},
		"a case that is dropped":           {"switch (a) {\n\tcase 3:\n\tcase 5:\n\t\treturn 7;\n\t}\n\treturn 0;", "", "{ if (vmtest_mutant == 1) { switch (a) {\n\t\n\tcase 5:", 0},
		"a case with a label":              {"switch (a) {\n\tcase 3:\n\t\tgoto out;\n\t}\nout:\n\treturn 0;", "2", "{ if (vmtest_mutant == 1) { switch (a) {\n\tcase 2:", 0},
		"a label within":                   {"switch (a) {\n\tcase 3:\nout:\n\t\treturn 1;\n\t}\n\tgoto out;", "2", "{ if (vmtest_mutant == 1) { __label__ out; {\n\tswitch (a) {\n\tcase 2:", 0},
		"the operand of sizeof":            {"return sizeof(p[1]);", "0", "return (vmtest_mutant == 1 ? (sizeof(p[0])) : (sizeof(p[1])));", 0},
		"a dropped else":                   {"if (a)\n\t\treturn 1;\n\telse if (*p)\n\t\ta++;\n\telse\n\t\ta--;\n\treturn a;", "--", "(vmtest_mutant == 1 ? (a--) : (a++));", 0},
		"half of a condition":              {"#ifdef A\n\tif (a)\n#else\n\tif (!a)\n#endif\n\t\ta = 1;\n\treturn a;", "0", "a = (vmtest_mutant == 1 ? (0) : (1));", 0},
		"the argument of a macro":          {"return ({ int _x = (a + 1); _x; });", "0", "int _x = (a + (vmtest_mutant == 1 ? (0) : (1)));", 0},
		"what a comment has in it":         {"return a /* - 2 */ - 1;", "0", "a /* - 2 */ - (vmtest_mutant == 1 ? (0) : (1));", 0},
	} {
		t.Run(name, func(t *testing.T) {
			src := Source{"f.c", begin + c.text + "\n}\n"}
			var some []Asleep
			for want := range strings.SplitSeq(c.edits, "|") {
				for _, m := range asleepOf(t, src) {
					if m.New == want && (len(some) == 0 || m.Begin != some[len(some)-1].Begin || m.End != some[len(some)-1].End || c.edits == "0|2") {
						m.Number = len(some) + 1
						some = append(some, m)
						break
					}
				}
			}
			if want := strings.Count(c.edits, "|") + 1; len(some) != want {
				t.Fatalf("%d of the mutants exist, want %d", len(some), want)
			}
			got, err := Compose(src, nil, some)
			if err != nil || len(got.Alone) != c.alone || !strings.Contains(got.Text, c.want) {
				t.Errorf("got %v, %v\n%s\nwant %d alone and %q in it", err, got.Alone, got.Text, c.alone, c.want)
			}
			if says, err := gcc(t.Context(), composeFolder(t), "f", got.Text, "-fsyntax-only"); err != nil {
				t.Errorf("%v\n%s\n%s", err, got.Text, says)
			}
		})
	}
}

// With each mutant awake, a program with all of them does what the program with that one edit does. While
// all sleep, it does what the program without any does.
func TestComposedIsEquivalent(t *testing.T) {
	text, err := os.ReadFile("testdata/asleep.c")
	if err != nil {
		t.Fatal(err)
	}
	src := Source{"asleep.c", string(text)}
	dir := composeFolder(t)
	var all []Asleep
	alone := make(map[int]string) // the output of the program with this edit
	flags := []string{"-O1", "-w", "-fwrapv", "-fno-strict-aliasing"}
	var group errgroup.Group
	group.SetLimit(2)
	outputs := make([]string, 1000)
	for _, m := range append([]Asleep{{}}, asleepOf(t, src)...) {
		if m.Number%5 != 0 && m.Kind != Reorder && m.Kind != DropCase && m.Kind != Early { // a fifth of the others shows it
			continue
		}
		group.Go(func() error {
			edited := src.Text[:m.Begin] + m.New + src.Text[m.End:]
			output, err := runProgram(t.Context(), dir, fmt.Sprint("one", m.Number), edited, flags, 0)
			outputs[m.Number] = output
			return err
		})
		all = append(all, m)
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	all = all[1:] // the first is none
	for i := len(all) - 1; i >= 0; i-- {
		if alone[all[i].Number] = outputs[all[i].Number]; outputs[all[i].Number] == "" { // it does not compile
			all = append(all[:i], all[i+1:]...)
		}
	}
	c := refuseUntilCompiled(t, dir, src, all)
	different := 0
	for _, m := range append([]Asleep{{}}, all...) {
		if c.Alone[m.Number] != "" {
			continue
		}
		got, err := runProgram(t.Context(), dir, "all", "", nil, m.Number)
		if err != nil || got != outputs[m.Number] {
			t.Errorf("%d %s: %s becomes %s: %v; the program with all mutants prints\n%s\nwith this one alone\n%s", m.Number, m.Name, m.Was, m.Is, err, got, outputs[m.Number])
		}
		if got != outputs[0] {
			different++
		}
	}
	t.Logf("%d mutants, %d of them alone; %d change the output", len(all), len(c.Alone), different)
	if asleep := len(all) - len(c.Alone); asleep < 50 || different < asleep/2 {
		t.Errorf("%d mutants are asleep and %d change the output, want 50 and half of them", asleep, different)
	}
}

// refuseUntilCompiled composes a file, and gives larger places to the mutants that the compiler refuses.
func refuseUntilCompiled(t *testing.T, dir string, src Source, all []Asleep) Composed {
	t.Helper()
	for range 20 {
		c, err := Compose(src, nil, all)
		if err != nil {
			t.Fatal(err)
		}
		text := "unsigned int vmtest_mutant;\n#define SWITCHED\n#line 1 \"all.c\"\n" + c.Text
		says, err := gcc(t.Context(), dir, "all", text, "-O1", "-w", "-fwrapv", "-fno-strict-aliasing", "-o", filepath.Join(dir, "all"))
		if err == nil {
			return c
		}
		found := false
		for line := range strings.Lines(says) {
			var at, column int
			if _, err := fmt.Sscanf(line, "all.c:%d:%d: error:", &at, &column); err != nil {
				continue
			}
			numbers, _ := c.Suspects(at, column)
			for i := range all {
				for _, n := range numbers {
					if all[i].Number == n {
						found = true
						all[i].Refused++
					}
				}
			}
		}
		if !found {
			t.Fatalf("no mutant is at fault:\n%s", says)
		}
	}
	t.Fatal("the compiler still refuses the file")
	return Composed{}
}

// runProgram compiles a program, unless its text is empty, and returns what it prints. That is empty if the program does not
// compile.
func runProgram(ctx context.Context, dir, name, text string, flags []string, number int) (string, error) {
	made := filepath.Join(dir, name)
	if text != "" {
		if _, err := gcc(ctx, dir, name, text, append(flags, "-o", made)...); err != nil {
			return "", nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, made, fmt.Sprint(number)).Output()
	if ctx.Err() != nil {
		return "", err
	}
	return string(out) + fmt.Sprint(err), nil
}

// Code that runs in user space and what is constant cannot sleep, and nothing else of these.
func TestComposeAlone(t *testing.T) {
	const text = "int table[] = { 1, 2 };\nint f(int a)\n{\n\treturn a - 1;\n}\n"
	for path, want := range map[string]int{"kernel/f.c": 0, "arch/x86/entry/vdso/vma.c": 0, "lib/vdso/f.c": 1, "lib/vdso/datastore.c": 0, "arch/x86/include/asm/vdso/f.h": 1} {
		all := asleepOf(t, Source{path, text})
		c, err := Compose(Source{path, text}, nil, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if alone := c.Alone[m.Number] != ""; alone != (m.Function == "table" || want == 1) {
				t.Errorf("%s: %s is alone: %v, %s", path, m.Name, alone, c.Alone[m.Number])
			}
		}
		if has := strings.Contains(c.Text, "#include <"+SwitchHeader+">\n"); has != (want == 0) {
			t.Errorf("%s includes the header: %v\n%s", path, has, c.Text)
		}
	}
}

// The compiler's place names the mutant whose edit is there, or those that are switched there.
func TestSuspects(t *testing.T) {
	src := Source{"f.c", "int f(int a)\n{\n\treturn a - 1;\n}\n"}
	all := asleepOf(t, src)
	c, err := Compose(src, nil, all)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(c.Text, "\n")
	for _, m := range all {
		if m.Kind == Early {
			continue
		}
		for n, line := range lines {
			at := strings.Index(line, fmt.Sprintf("%s == %d ? (", Switch, m.Number))
			if at < 0 {
				continue
			}
			column := at + len(fmt.Sprintf("%s == %d ? (", Switch, m.Number)) + 1
			if numbers, edited := c.Suspects(n+1, column); !edited || len(numbers) != 1 || numbers[0] != m.Number {
				t.Errorf("line %d, column %d of\n%s\nis that of %v, %v, want %d", n+1, column, c.Text, numbers, edited, m.Number)
			}
		}
	}
	last := strings.Count(c.Text, "\n")
	if numbers, edited := c.Suspects(last, 1); edited || len(numbers) == 0 {
		t.Errorf("the end of the function is that of %v, %v; want those that end before it", numbers, edited)
	}
	if numbers, _ := c.Suspects(last+5, 1); numbers != nil {
		t.Errorf("a line beyond the end is that of %v", numbers)
	}
}

// What the compiler says of an assignment may come from what is switched in it, and not from the switch around it.
func TestSuspectsBeside(t *testing.T) {
	src := Source{"f.c", "int f(struct box *old, struct box *new)\n{\n\told->time = new->time + 5;\n\treturn 0;\n}\n"}
	all := asleepOf(t, src)
	c, err := Compose(src, nil, all)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[Kind]bool)
	for n, line := range strings.Split(c.Text, "\n") {
		if at := strings.Index(line, "->time = (vmtest_mutant"); at >= 0 {
			numbers, edited := c.Suspects(n+1, at+len("->time = "))
			for _, number := range numbers {
				kinds[all[number-1].Kind] = true
			}
			if edited {
				t.Error("no edit is there")
			}
		}
	}
	if !kinds[Neighbour] || !kinds[Arith] || kinds[LoseStore] {
		t.Errorf("the suspects are %v, want the edits in the assignment and not its loss:\n%s", kinds, c.Text)
	}
}
