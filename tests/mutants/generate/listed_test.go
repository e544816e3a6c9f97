// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package generate

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// listedEdits are patches of testdata/listed.c: pairs of a text and what becomes of it. Each patch changes what
// the program prints.
var listedEdits = map[string][]string{
	"a statement":                 {"b->monotonic += n;", "b->monotonic -= n;"},
	"a statement dropped":         {"\tb->monotonic += n;\n", ""},
	"a statement added":           {"b->locked++;", "b->locked++;\n\tb->boottime = n;"},
	"a statement added first":     {"\tb->locked++;", "\tb->count--;\n\tb->locked++;"},
	"two functions":               {"err = check(b, n);", "err = check(b, n + 1);", "sum += i * small;", "sum -= i * small;"},
	"two places in one function":  {"b->count++;", "b->count += 2;", "return -3;", "return -4;"},
	"an initial value":            {"long long kept = b->monotonic;", "long long kept = b->boottime;"},
	"a goto and its label":        {"if (n > 40 && n != 50)\n\t\tgoto out_unlock;", "if (n > 40 && n != 50)\n\t\tgoto out_none;", "\treturn err;\n}\n\nstatic long long convert", "\treturn err;\nout_none:\n\treturn 7;\n}\n\nstatic long long convert"},
	"a goto to another label":     {"goto out_put;", "goto out_unlock;"},
	"the last statement":          {"\treturn err;\n}\n\nstatic long long convert", "\treturn err == -EINVAL ? -1 : err;\n}\n\nstatic long long convert"},
	"what follows a label":        {"\tb->count--;\n", ""},
	"what follows labels":         {"\tb->count--;\n", "", "\tb->locked--;\n", ""},
	"a label that moves":          {"out_put:\n\tb->count--;\nout_unlock:\n", "\tb->count--;\nout_put:\nout_unlock:\n"},
	"added before a label":        {"out_unlock:\n", "\tb->count -= 5;\nout_unlock:\n"},
	"a goto dropped":              {"\tif (err)\n\t\tgoto out_put;\n", ""},
	"part of a condition":         {"n > 40 && n != 50", "n > 40 && n != 50 && n != 55"},
	"half of a condition":         {"n > 40 && n != 50", "n > 40"},
	"a condition of another type": {"if (n == 21)", "if ((u64)n > LEAST + 1)"},
	"a body of two statements":    {"\tif (n > 30)\n\t\treturn -1;", "\tif (n > 30) {\n\t\tb->count -= 2;\n\t\treturn -1;\n\t}"},
	"a branch added":              {"\tif (n > 30)\n\t\treturn -1;\n\treturn 0;", "\tif (n > 30)\n\t\treturn -1;\n\telse if (n > 25)\n\t\treturn -2;\n\treturn 0;"},
	"a statement that moves":      {"\tb->locked++;\n", "", "\tb->count++;\n", "\tb->count++;\n\tb->locked++;\n"},
	"an unsigned operand":         {"b->monotonic / small", "b->monotonic / (u64)small"},
	"a narrow operand":            {"n - 20, sum = 0", "n - (u32)20, sum = 0"},
	"a case dropped":              {"\tcase 9:\n", ""},
	"a case added":                {"\tcase 1:\n", "\tcase 2:\n\t\tn++;\n\t\t/* fall through */\n\tcase 1:\n"},
	"two cases that swap":         {"\t\toffset = b->monotonic;\n", "\t\toffset = b->boottime;\n", "\t\toffset = b->boottime;\n", "\t\toffset = b->monotonic;\n"},
	"a default":                   {"\t\treturn time;\n", "\t\treturn time + 1;\n"},
	"a condition in two branches": {"if (time < offset)", "if (time < offset + 150)"},
	"a statement in a branch":     {"\t\ttime = 0;\n", "\t\ttime = 1;\n"},
	"a branch emptied":            {"\t\ttime = 0;\n", ""},
	"a declaration added":         {"\t\ttime -= offset;\n", "\t\tu32 rem;\n\n\t\trem = time % 7;\n\t\ttime -= offset + rem;\n"},
	"a declaration at the head":   {"\tint i;\n\n\tif (small == 0)\n\t\treturn 0;\n", "\tint i, other = n & 3;\n\n\tif (small == other)\n\t\treturn 0;\n"},
	"a declaration of its own":    {"\tint i;\n\n\tif (small", "\tint i;\n\tint other = n & 3;\n\n\tif (small", "return sum + b->", "return sum + other + b->"},
	"a continue dropped":          {"\t\tif (i == n)\n\t\t\tcontinue;\n", ""},
	"a break":                     {"\t\t\tcontinue;\n", "\t\t\tbreak;\n"},
	"a loop":                      {"for (i = 0; i < 4; i++)", "for (i = 2; i < 4; i++)"},
	"a loop that ends earlier":    {"i < 4;", "i < 2;"},
	"a loop without an end":       {"sum > LEAST && sum % 2 == 0", "sum > LEAST || sum % 2 == 0 && n == 25"},
	"an #include":                 {"#include <unistd.h>\n", "#include <unistd.h>\n#include <limits.h>\n", "\t\treturn -1;\n", "\t\treturn INT_MAX;\n"},
	"an empty function":           {"hook(struct box *b)\n{\n}", "hook(struct box *b)\n{\n\tb->boottime++;\n\tb->count++;\n}"},
	"beside a static variable":    {"\tcalls++;\n", "\tcalls += 2;\n"},
	"a cleanup":                   {"int held __free(number) = n;", "int held = n;"},
	"a return within":             {"\tkept = calls & 3;\n", "\tkept = calls & 3;\n\tif (n == 8)\n\t\treturn -8;\n"},
	"a whole body":                {"\tif (n == 21)\n\t\treturn -EINVAL;\n\tif (n > 30)\n\t\treturn -1;\n\treturn 0;\n", "\treturn n & 1;\n"},
}

// These cannot sleep, and an error or a reason says so with these words.
var listedAlone = map[string]struct {
	edits []string
	want  string
}{
	"a table":               {[]string{"{ 1, 2, 3 }", "{ 1, 2, 4 }"}, "constant or outside of functions"},
	"a structure":           {[]string{"int locked, count;", "int locked, count, more;"}, "constant or outside of functions"},
	"a parameter":           {[]string{"check(struct box *b, int n)", "check(struct box *b, char n)"}, "constant or outside of functions"},
	"a function":            {[]string{"static void hook", "static int other(void)\n{\n\treturn 3;\n}\n\nstatic void hook"}, "constant or outside of functions"},
	"a static variable":     {[]string{"static int calls;", "static int calls = 4;"}, "constant or outside of functions"},
	"a macro":               {[]string{"#define LEAST 3", "#define LEAST 4"}, "a directive of the preprocessor"},
	"a directive":           {[]string{"#define LEAST 3\n", "#ifndef LEAST\n#define LEAST 3\n#endif\n"}, "a directive of the preprocessor"},
	"an #include dropped":   {[]string{"#include <unistd.h>\n", ""}, "a directive of the preprocessor"},
	"the last directives":   {[]string{"#ifdef SWITCHED\n\tvmtest_mutant = argc > 1 ? atoi(argv[1]) : 0;\n#endif\n", ""}, "a directive of the preprocessor"},
	"a mutant that is both": {[]string{"{ 1, 2, 3 }", "{ 1, 2, 4 }", "return -3;", "return -4;"}, "constant or outside of functions"},
}

// patchedText returns a text with a patch applied, whose lines must be there once before any of them changes.
func patchedText(t *testing.T, text string, edits []string) string {
	t.Helper()
	var pairs []string
	for i := 0; i < len(edits); i += 2 {
		if strings.Count(text, edits[i]) != 1 {
			t.Fatalf("%q is in the text %d times", edits[i], strings.Count(text, edits[i]))
		}
		pairs = append(pairs, edits[i], edits[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func listedSource(t *testing.T) Source {
	t.Helper()
	text, err := os.ReadFile("testdata/listed.c")
	if err != nil {
		t.Fatal(err)
	}
	return Source{"listed.c", string(text)}
}

// With each patch awake, a program with all of them does what the program with that one patch does.
func TestListedIsEquivalent(t *testing.T) {
	src := listedSource(t)
	dir := composeFolder(t)
	flags := []string{"-O1", "-w", "-fwrapv", "-fno-strict-aliasing"}
	names, texts := []string{"none"}, []string{src.Text}
	var all []Asleep
	for name, edits := range listedEdits {
		text := patchedText(t, src.Text, edits)
		found, err := Diff(src, nil, text)
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d edits, %v", name, len(found), err)
			continue
		}
		for _, m := range found {
			all = append(all, Asleep{Mutant: m, Number: len(names)})
		}
		names, texts = append(names, name), append(texts, text)
	}
	want := make([]string, len(names))
	var group errgroup.Group
	group.SetLimit(2)
	for i := range names {
		group.Go(func() error {
			output, err := runProgram(t.Context(), dir, fmt.Sprint("one", i), texts[i], flags, 0)
			want[i] = output
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	c := refuseUntilCompiled(t, dir, src, all)
	for i, name := range names {
		if c.Alone[i] != "" || want[i] == "" || i > 0 && want[i] == want[0] {
			t.Errorf("%s: alone because %q; the program with this patch prints\n%s", name, c.Alone[i], want[i])
			continue
		}
		got, err := runProgram(t.Context(), dir, "all", "", nil, i)
		if err != nil || got != want[i] {
			t.Errorf("%s: %v; the program with all patches prints\n%s\nwith this one alone\n%s", name, err, got, want[i])
		}
	}
	for _, m := range all {
		if m.Refused > 0 {
			t.Errorf("the compiler refuses %s in its first place", names[m.Number])
		}
	}
	if t.Failed() {
		t.Log(c.Text)
	}
}

// A patch that cannot sleep is alone with all its edits, and the reason is told.
func TestListedAlone(t *testing.T) {
	src := listedSource(t)
	for name, c := range listedAlone {
		found, err := Diff(src, nil, patchedText(t, src.Text, c.edits))
		why := fmt.Sprint(err)
		if err == nil {
			var all []Asleep
			for _, m := range found {
				all = append(all, Asleep{Mutant: m, Number: 1})
			}
			composed, err := Compose(src, nil, all)
			if err != nil {
				t.Fatal(err)
			}
			if why = composed.Alone[1]; composed.Text != src.Text {
				t.Errorf("%s: the text is not as before", name)
			}
		}
		if !strings.Contains(why, c.want) {
			t.Errorf("%s is alone because %q, want %q", name, why, c.want)
		}
	}
	if found, err := Diff(src, nil, strings.Replace(src.Text, "/* It has passed. */", "/* It is\n\t\t   over. */", 1)); err != nil || len(found) > 0 {
		t.Errorf("a comment is %d edits, %v", len(found), err)
	}
}

// The edits are as small as the syntax allows, and their places are as small as they can be without a change of types.
func TestListedPlaces(t *testing.T) {
	const begin = "struct box { int tv_sec, tv_nsec; };\nint g(int x);\nint f(int a, int *p, struct box *s)\n{\n"
	for name, c := range map[string]struct{ before, after, want string }{
		"a call":            {"\tg(a);\n\treturn 0;\n", "\treturn 0;\n", "{ if (vmtest_mutant == 1) {  } else { g(a); } }\n\treturn 0;"},
		"an argument":       {"\treturn g(a);\n", "\treturn g(a + 1);\n", "{ if (vmtest_mutant == 1) { return g(a + 1); } else { return g(a); } }"},
		"a condition":       {"\tif (a)\n\t\tg(a);\n\treturn 0;\n", "\tif (a && p)\n\t\tg(a);\n\treturn 0;\n", "if ((vmtest_mutant == 1 ? !!(a && p) : !!(a)))\n\t\tg(a);"},
		"a deep condition":  {"\tif (!g(a + 1) || p)\n\t\tg(a);\n\treturn 0;\n", "\tif (!g(a + 2) || p)\n\t\tg(a);\n\treturn 0;\n", "if (!(vmtest_mutant == 1 ? !!(g(a + 2)) : !!(g(a + 1))) || p)"},
		"added":             {"\tg(a);\n\treturn 0;\n", "\tg(a);\n\tg(1);\n\tg(2);\n\treturn 0;\n", "g(a);\n\tif (vmtest_mutant == 1) { g(1);\n\tg(2); } return 0;"},
		"added at the end":  {"\tg(a);\n", "\tg(a);\n\tg(1);\n", "g(a);if (vmtest_mutant == 1) { g(1); } \n}"},
		"added and dropped": {"\tg(1);\n\tg(2);\n\tg(3);\n\treturn 0;\n", "\tg(2);\n\tg(3);\n\tg(4);\n\treturn 0;\n", "{ if (vmtest_mutant == 1) {  } else { g(1); } }\n\tg(2);\n\tg(3);\n\tif (vmtest_mutant == 1) { g(4); } return 0;"},
		"after a label":     {"\tif (a)\n\t\tgoto out;\n\tg(1);\nout:\n\tg(2);\n\treturn 0;\n", "\tif (a)\n\t\tgoto out;\n\tg(1);\nout:\n\treturn 0;\n", "out:\n\t{ if (vmtest_mutant == 1) {  } else { g(2); } }\n\treturn 0;"},
		"a label":           {"\tint b = 1;\n\tif (a)\n\t\tgoto out;\n\tg(b);\nout:\n\treturn b;\n", "\tint b = 2;\n\tif (a)\n\t\tgoto out;\n\tg(b);\nout:\n\treturn b;\n", "{ if (vmtest_mutant == 1) { __label__ out; {\n\tint b = 2;"},
		"a label dropped":   {"\tif (a)\n\t\tgoto out;\n\tg(1);\nout:\n\tg(2);\n\treturn 0;\n", "\tg(1);\n\treturn 0;\n", "{ if (vmtest_mutant == 1) { {\n\t\n\tg(1);\n\n\treturn 0;\n} } else { __label__ out; {"},
		"a label added":     {"\tif (a)\n\t\tg(3);\n\treturn 0;\n", "\tif (a)\n\t\tgoto end;\n\treturn 0;\nend:\n\treturn 1;\n", "{ if (vmtest_mutant == 1) { __label__ end; {\n\tif (a)\n\t\tgoto end;"},
		"another label":     {"\tif (a)\n\t\tgoto out;\n\tg(1);\nout:\n\tg(2);\n\treturn 0;\n", "\tif (a)\n\t\tgoto end;\n\tg(1);\nend:\n\tg(4);\n\treturn 0;\n", "{ if (vmtest_mutant == 1) { __label__ end; {\n\tif (a)\n\t\tgoto end;"},
		"a declaration":     {"\tint b = a;\n\treturn b;\n", "\tint b = a + 1;\n\treturn b;\n", "{ if (vmtest_mutant == 1) { {\n\tint b = a + 1;\n\treturn b;\n} } else { {\n\tint b = a;"},
		"a guard":           {"\tguard(rcu)(a);\n\treturn g(a);\n", "\treturn g(a);\n", "{ if (vmtest_mutant == 1) { {\n\t\n\treturn g(a);\n} } else { {\n\tguard(rcu)(a);"},
		"in a guard":        {"\tscoped_guard(rcu) {\n\t\tg(a);\n\t\tg(1);\n\t}\n\treturn 0;\n", "\tscoped_guard(rcu) {\n\t\tg(a);\n\t}\n\treturn 0;\n", "\t\tg(a);\n\t\t{ if (vmtest_mutant == 1) {  } else { g(1); } }\n\t}"},
		"a guard of a loop": {"\tfor_each_box(a, s)\n\t\tg(a);\n\treturn 0;\n", "\tfor_each_box(a, p)\n\t\tg(a);\n\treturn 0;\n", "{ if (vmtest_mutant == 1) { for_each_box(a, p)\n\t\tg(a); } else { for_each_box(a, s)"},
	} {
		t.Run(name, func(t *testing.T) {
			const macros = "#define guard(x) g\n#define scoped_guard(x) for (int _i = 0; _i < 1; _i++)\n#define for_each_box(a, s) for (; a && s; a--)\n"
			src := Source{"f.c", macros + begin + c.before + "}\n"}
			found, err := Diff(src, nil, macros+begin+c.after+"}\n")
			if err != nil {
				t.Fatal(err)
			}
			var all []Asleep
			for _, m := range found {
				all = append(all, Asleep{Mutant: m, Number: 1})
			}
			got, err := Compose(src, nil, all)
			if err != nil || len(got.Alone) > 0 || !strings.Contains(got.Text, c.want) {
				t.Errorf("%v, %v\n%s\nwant %s in it", err, got.Alone, got.Text, c.want)
			}
			if says, err := gcc(t.Context(), composeFolder(t), "f", got.Text, "-fsyntax-only"); err != nil {
				t.Errorf("%v\n%s\n%s", err, got.Text, says)
			}
		})
	}
}

// A label within two places is declared in the inner one only. The compiler takes no other declaration.
func TestListedLabels(t *testing.T) {
	const text = "int g(int x);\nint f(int a)\n{\n\tint b = 1;\n\tif (a) {\n\t\tint c = 2;\n\t\tif (a > 2)\n\t\t\tgoto out;\n\t\tg(c);\nout:\n\t\tg(b);\n\t}\n\treturn 0;\n}\n"
	src := Source{"f.c", text}
	var all []Asleep
	for i, edits := range [][]string{{"b = 1", "b = 3"}, {"c = 2", "c = 4"}} {
		found, err := Diff(src, nil, patchedText(t, text, edits))
		if err != nil || len(found) != 1 {
			t.Fatalf("%q: %+v, %v", edits, found, err)
		}
		all = append(all, Asleep{Mutant: found[0], Number: i + 1})
	}
	c, err := Compose(src, nil, all)
	if err != nil || len(c.Alone) > 0 || strings.Count(c.Text, "__label__ out; ") != 3 {
		t.Errorf("%v, alone: %v; the label is to be declared 3 times:\n%s", err, c.Alone, c.Text)
	}
	if says, err := gcc(t.Context(), composeFolder(t), "f", c.Text, "-fsyntax-only", "-Werror=unused-label"); err != nil {
		t.Errorf("%v\n%s", err, says)
	}
}

const kernelText = `#include <linux/box.h>
#define SYSCALL_DEFINE2(name, t1, a1, t2, a2) long sys_##name(t1 a1, t2 a2)
#define __user
#define BUILD_BUG_ON(x) ((void)sizeof(char[1 - 2 * !!(x)]))

static int copy_box(struct box __user *from, unsigned long size)
{
	struct box box;
	int err;

	BUILD_BUG_ON(sizeof(box) > 64);
	if (size > 4096)
		return -7;
	if (!from || size < sizeof(box))
		return -22;
	box = *from;
	switch (box.clock) {
#ifdef CONFIG_A
	case 1:
		err = 1;
		break;
#endif
	default:
		err = -22;
	}
	return err;
}

SYSCALL_DEFINE2(box, struct box __user *, from, unsigned long, size)
{
	int err = copy_box(from, size);

	if (err < 0)
		return err;
	return size;
}
`

// What kernels have beside C sleeps, too, and what the parser does not see is left alone.
func TestListedKernelText(t *testing.T) {
	src := Source{"kernel/f.c", kernelText}
	dir := composeFolder(t)
	if err := os.WriteFile(dir+"/linux/box.h", []byte("struct box { int clock; };\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var all []Asleep
	for i, edits := range [][]string{
		{"\treturn size;\n", "\treturn size + 1;\n"},
		{"\tint err = copy_box(from, size);\n", "\tint err = copy_box(from, size & 0xff);\n"},
		{"\tcase 1:\n", "\tcase 2:\n"},
		{"\t\terr = 1;\n", "\t\terr = 2;\n"},
		{"\tif (size > 4096)\n\t\treturn -7;\n", ""},
		{"\tbox = *from;\n", "\tif (!size)\n\t\tgoto out;\n\tbox = *from;\n", "\treturn err;\n}\n\nSYSCALL", "out:\n\treturn err;\n}\n\nSYSCALL"},
		{"#include <linux/box.h>\n", "#include <linux/box.h>\n#include <errno.h>\n", "return -7;", "return -E2BIG;"},
	} {
		found, err := Diff(src, Config{"CONFIG_A": "1"}, patchedText(t, kernelText, edits))
		if err != nil || len(found) == 0 {
			t.Errorf("%q: %d edits, %v", edits, len(found), err)
		}
		for _, m := range found {
			all = append(all, Asleep{Mutant: m, Number: i + 1})
		}
	}
	c, err := Compose(src, Config{"CONFIG_A": "1"}, all)
	if err != nil || len(c.Alone) > 0 {
		t.Fatalf("%v, alone: %v", err, c.Alone)
	}
	if says, err := gcc(t.Context(), dir, "f", c.Text, "-fsyntax-only", "-DCONFIG_A"); err != nil {
		t.Errorf("%v\n%s\n%s", err, c.Text, says)
	}
	if found, err := Diff(src, nil, patchedText(t, kernelText, []string{"> 64", "> 32"})); err == nil || !strings.Contains(err.Error(), "what the parser does not read") {
		t.Errorf("an assertion of the compiler is %+v, %v", found, err)
	}
}
