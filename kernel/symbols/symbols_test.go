// SPDX-License-Identifier: BSD-3-Clause

package symbols

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// old is a small kernel. Each test replaces parts of it.
const old = `
#define WARN() asm volatile("lea 1f(%%rip), %%rax; .pushsection __bug_table,\"aw\"; 1: .long %c0; .popsection" :: "i"(__LINE__) : "rax")
const int numbers[] = {10, 1};
int three(void) { return 3; }
int kallsyms_names[1] = {7};
int counter, unused;
static const char *const names[] = {"zero", "one"};
int twice(int n) { return n + n; }
int thrice(int n) { return n + n + n; }
struct operations { int (*get)(int); int flags; };
struct operations operations = {twice, 1};
int later(int n);
const char *name(int n) { counter++; return n ? names[n] : "none of these"; }
int first(int n) { return later(n) + counter; }
int use(int n) { return operations.get(n) + operations.flags; }
int later(int n) { WARN(); return thrice(n) + 5; }
int main(void) { return first(1) + use(2) + *name(1); }
`

// build compiles and links a kernel, and returns its path.
func build(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	c, path := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
	if err := os.WriteFile(c, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("gcc", "-O1", "-fno-inline", "-fno-toplevel-reorder", "-mcmodel=kernel", "-fno-pic", "-static", "-nostdlib", "-Wl,-e,main,-Ttext=0xffffffff81000000,--section-start=.rodata=0xffffffff81645000,-Tdata=0xffffffff81a4e000,-Tbss=0xffffffff81c8d000", "-o", path, c).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestCompare(t *testing.T) {
	before := build(t, "old", old)
	for what, tc := range map[string]struct {
		edit []string // pairs: a text, and what replaces it
		want Difference
	}{
		"a number at the end of a table": {
			[]string{"{10, 1}", "{10, 2}"}, Difference{Data: []string{"numbers"}},
		},
		"a number at the end of a function": {
			[]string{"return 3", "return 4"}, Difference{Functions: []string{"three"}},
		},
		"nothing":   {nil, Difference{}},
		"a comment": {[]string{"int main", "/* more */\nint main"}, Difference{}},
		"a constant": {
			[]string{"+ 5", "+ 6"}, Difference{Functions: []string{"later"}},
		},
		"a function that moves all behind it": {
			[]string{"return n + n;", "return n * 77777777 + (n ^ 1234567);"}, Difference{Functions: []string{"twice"}},
		},
		"another callee": {
			[]string{"return thrice(n)", "return twice(n)"}, Difference{Functions: []string{"later"}},
		},
		"another variable": {
			[]string{"later(n) + counter", "later(n) + unused"}, Difference{Functions: []string{"first"}},
		},
		"a string": {
			[]string{"none of these", "none of those"}, Difference{Data: []string{`"none of those"`}, Near: []string{"name"}},
		},
		"a new string that moves others": {
			[]string{`{"zero", "one"}`, `{"zero", "one and more of it"}`}, Difference{Data: []string{`"one and more of it"`}, Near: []string{"name"}},
		},
		"a function that is new": {
			[]string{"int main", "int more(void) { return 9; }\nint main"}, Difference{Functions: []string{"more"}},
		},
		"an entry of a table that moves others": {
			[]string{"int first(", "int more(void) { WARN(); return 9; }\nint first("}, Difference{Functions: []string{"more"}},
		},
		"a table of addresses": {
			[]string{"{7}", "{8}"}, Difference{},
		},
		"a variable that is new": {
			[]string{"int counter", "int before[1000] = {1}, counter"}, Difference{Data: []string{"before"}},
		},
		"a pointer": {
			[]string{"{twice, 1}", "{thrice, 1}"}, Difference{Data: []string{"operations"}, Near: []string{"thrice", "twice", "use"}},
		},
		"a flag": {
			[]string{"{twice, 1}", "{twice, 2}"}, Difference{Data: []string{"operations"}, Near: []string{"twice", "use"}},
		},
	} {
		text := old
		for pair := range slices.Chunk(tc.edit, 2) {
			if strings.Count(text, pair[0]) != 1 {
				t.Fatalf("%s: %q is not in the kernel once", what, pair[0])
			}
			text = strings.ReplaceAll(text, pair[0], pair[1])
		}
		got, err := Compare(before, build(t, "new", text))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, %v, want %+v", what, got, err, tc.want)
		}
		if got.Nothing() != (what == "nothing" || what == "a comment" || what == "a table of addresses") {
			t.Errorf("%s: Nothing is %v", what, got.Nothing())
		}
	}
}

// A function that only one kernel has differs, whichever kernel that is.
func TestCompareGone(t *testing.T) {
	more := build(t, "more", strings.Replace(old, "int main", "int more(void) { return 9; }\nint main", 1))
	got, err := Compare(more, build(t, "old", old))
	if want := (Difference{Functions: []string{"more"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestCompareWrong(t *testing.T) {
	good, text := build(t, "old", old), filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	stripped := filepath.Join(t.TempDir(), "stripped")
	if out, err := exec.Command("objcopy", "--strip-all", good, stripped).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for what, path := range map[string]string{"a text": text, "no file": text + "x", "no symbols": stripped} {
		for _, pair := range [][2]string{{good, path}, {path, good}} {
			if d, err := Compare(pair[0], pair[1]); err == nil {
				t.Errorf("%s: got %+v, and no error", what, d)
			}
		}
	}
}
