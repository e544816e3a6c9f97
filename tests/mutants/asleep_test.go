// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/source"
)

// asleepVmtest is a bin/vmtest whose kernel lies ready. On it a mutant with an odd number is caught, 8 kills the
// kernel before the first test, and the kernel does not say that 14 is awake. Other kernels are as without a mutant.
const asleepVmtest = `#!/bin/sh
echo "$*" >>calls
number=none
for word; do case "$word" in vmtest.mutant=*) number=${word#*=} ;; esac; done
pass() {
	echo '{"verdict":"pass"}' >"$1/report.json"
	for lane in virtual real; do mkdir -p "$1/$lane"; echo "vmtest: mutant $number is awake" >"$1/$lane/console.log"; done
}
case "$*" in
*-order*-order*) echo '-order is given twice' >&2; exit 2 ;;
kernel*-patch*) mkdir "made-$$"; cp first/vmlinux "made-$$"; echo "made-$$/vmlinux"; exit 0 ;;
kernel*) echo first/vmlinux; exit 0 ;;
esac
mkdir -p "$3/latest"
case "$number" in
8) echo '{"verdict":"fail","findings":[{"text":"no sign of life"}]}' >"$3/latest/report.json" ;;
14) pass "$3/latest"; rm "$3/latest/virtual/console.log"; : >"$3/latest/virtual/console.log" ;;
*[13579]) echo '{"verdict":"fail","lanes":[{"tests":[{"package":"timens","name":"TestA","status":"fail","expected":"pass"}]}]}' >"$3/latest/report.json" ;;
*) pass "$3/latest" ;;
esac
`

// awakeFiles is a kernel of one source, whose objects make keeps the commands of.
var awakeFiles = map[string]string{
	"Makefile": `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =
tinyconfig:
	@: > $(O)/.config
olddefconfig:
	@:
vmlinux: kernel/f.c
	@mkdir -p $(O)/kernel $(O)/include/config
	@gcc -c -o $(O)/kernel/f.o $(CURDIR)/kernel/f.c
	@printf 'savedcmd_kernel/f.o := gcc -I$(CURDIR)/include -c -o kernel/f.o $(CURDIR)/kernel/f.c\n\n' > $(O)/kernel/.f.o.cmd
	@gcc -static -nostdlib -Wl,--build-id=sha1 -Wl,-e,f -o $(O)/vmlinux $(O)/kernel/f.o
	@echo 6.12.1-fake > $(O)/include/config/kernel.release
`,
	"Kconfig":           "config GOOD\n\tbool \"Good\"\n",
	"kernel/Makefile":   "obj-y = f.o\n",
	"kernel/f.c":        "int table[] = { 1, 2 };\nint f(int a, int b)\n{\n\tif (a < b)\n\t\ta = 2 * b;\n\ta = a + 0;\n\treturn a - b;\n}\n",
	"include/linux/a.h": "",
}

// asleepRunner is a runner of mutants of that kernel, and the kernel.
func asleepRunner(t *testing.T) (runner, source.Spec) {
	t.Helper()
	hosttest.NeedSandbox(t)
	folder := map[string]string{
		"kernel/patches/control/series": "# no patches\n", functionsFile: "file kernel/f.c\nin *\n", "bin/vmtest": asleepVmtest,
		"first/vmlinux": string(program(t, 1)), "first/config": "CONFIG_GOOD=y\n",
	}
	for _, name := range []string{"base", "x86_64", "timens", "clone3"} {
		folder["kconfig/"+name+".config"] = "CONFIG_GOOD=y\n"
	}
	t.Chdir(hosttest.Folder(t, folder))
	if err := os.Chmod("bin/vmtest", 0o755); err != nil {
		t.Fatal(err)
	}
	return runner{host: hosttest.New(t), base: "6.12", first: true, jobs: 2, unmutated: make(map[string]unmutated)}, source.Spec{Tree: hosttest.Folder(t, awakeFiles)}
}

// generatedRunner is a runner of the generated mutants of that kernel.
func generatedRunner(t *testing.T) (runner, []patched) {
	t.Helper()
	r, spec := asleepRunner(t)
	base, err := spec.Fetch(t.Context(), r.host)
	if err != nil {
		t.Fatal(err)
	}
	if r.made, err = generateAll(t.Context(), r.host, base, []string{"control"}); err != nil {
		t.Fatal(err)
	}
	all, _, err := makePatches(t.Context(), r.host, spec, r.made.mutants)
	if err != nil {
		t.Fatal(err)
	}
	return r, all
}

// Mutants that can sleep are run on one kernel, which is built once, passes first, and is deleted at the end. What nobody
// woke is no survivor. The others are run on kernels of their own. Nothing is run twice.
func TestRunGenerated(t *testing.T) {
	r, all := generatedRunner(t)
	results := make([]result, len(all))
	progress := func() progress { return progressOf(results) }
	if err := r.runSeries(t.Context(), all, progress()); err != nil {
		t.Fatal(err)
	}
	calls := readCalls(t)
	sleeping := numbersOf(t)
	if len(sleeping) < 12 || len(sleeping) == len(all) {
		t.Errorf("%d of %d mutants sleep: %v", len(sleeping), len(all), sleeping)
	}
	said := make(map[string]int)
	for i, m := range all {
		says := results[i].says(2)
		number := sleeping[m.String()]
		want := []string{"caught by timens.TestA", "is equivalent: the compiler makes the same code", "IS WRONG: it survives"}
		switch {
		case number == 0: // it has a kernel of its own
			want = want[1:2]
		case number == 8:
			want = []string{"caught by the run: no sign of life"}
		case number == 14:
			want = []string{"IS WRONG: it has no verdict: bin/mutants/"}
		case strings.Contains(m.name, "/arithmetic/a-a-0-"): // a - 0 becomes of a + 0
			want = want[1:2]
		case number%2 == 1:
			want = want[:1]
		default:
			want = want[2:]
		}
		at := slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(says, w) })
		if at < 0 {
			t.Errorf("%d %v %s, want one of %q", number, m.mutant, says, want)
			continue
		}
		said[want[at]]++
	}
	first := slices.IndexFunc(calls, func(call string) bool { return strings.HasPrefix(call, "run ") })
	if first < 0 || !strings.HasSuffix(calls[first], "-append vmtest.mutant=0 -lane both -order source") {
		t.Errorf("the first run is not that of the kernel while all sleep: %q", calls)
	}
	builds, wakes := 0, 0
	for _, call := range calls {
		if strings.HasPrefix(call, "kernel ") && strings.Contains(call, "asleep.patch") {
			builds++
		}
		if strings.Contains(call, "vmtest.mutant=9 ") {
			wakes++
			if !strings.Contains(call, " -order likely=f -fail-fast -lane virtual") || strings.Contains(call, "-forget") {
				t.Errorf("a mutant is run by %q", call)
			}
		}
	}
	if builds != 1 || wakes != 1 {
		t.Errorf("%d builds and %d runs of mutant 9, want 1 and 1:\n%s", builds, wakes, strings.Join(calls, "\n"))
	}
	if kept, err := filepath.Glob("made-*"); err != nil || kept != nil {
		t.Errorf("kernels are kept: %v, %v", kept, err)
	}
	if len(said) != 5 {
		t.Errorf("the mutants end in these ways: %v, want 5", said)
	}
	if err := os.Remove("calls"); err != nil {
		t.Fatal(err)
	}
	known := slices.Clone(results)
	clear(results)
	wrong := func(i int) bool {
		return known[i].wrong != nil && strings.Contains(known[i].wrong.Error(), "no verdict")
	}
	again := 0
	err := r.runSeries(t.Context(), all, progress())
	for i := range all {
		if wrong(i) {
			again++
		} else if results[i].says(2) != known[i].says(2) {
			t.Errorf("%v %s, and again %s", all[i].mutant, known[i].says(2), results[i].says(2))
		}
	}
	if err != nil || again >= leastAsleep || len(numbersRun(readCalls(t))) > 0 {
		t.Errorf("again: %v; %d mutants have no verdict; it called\n%s", err, again, strings.Join(readCalls(t), "\n"))
	}
}

// asleepList has mutants of that kernel. The one with the number 8 kills it.
const asleepList = `series control
-- one --
seen s
run R
@@ kernel/f.c int f(
-	a = a + 0;
+	a = a + 1;
-- two --
seen s
run R
equivalent nobody can tell
@@ kernel/f.c int f(
-		a = 2 * b;
+		a = b * 2;
-- three --
seen s
run R
equivalent nobody reads it
@@ kernel/f.c
-int table[] = { 1, 2 };
+int table[] = { 1, 3 };
-- four --
seen s
run R
@@ kernel/f.c int f(
-	return a - b;
+	return a;
-- five --
seen s
run R
tests tests/p
@@ kernel/f.c int f(
-	if (a < b)
-		a = 2 * b;
-- six --
seen s
run R
equivalent it is built already
@@ kernel/f.c int f(
-	return a - b;
+	return b;
@@ kernel/Makefile
-obj-y = f.o
+obj-y := f.o
-- seven --
seen s
run R
@@ kernel/f.c int f(
-	if (a < b)
+	if (a <= b)
@@ kernel/f.c int f(
-	return a - b;
+	return a + b;
-- eight --
seen s
run R
@@ kernel/f.c int f(
-	a = a + 0;
`

// Listed mutants sleep in one kernel like generated ones. Their results are those that kernels of their own would give.
func TestRunListed(t *testing.T) {
	r, spec := asleepRunner(t)
	listed, err := parseList(txtar.Parse([]byte(asleepList)))
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := makePatches(t.Context(), r.host, spec, listed)
	if err != nil {
		t.Fatal(err)
	}
	if edits, err := r.editsOf(all[5], nil); err == nil || !strings.Contains(err.Error(), "no C code") {
		t.Errorf("a mutant of a Makefile has the edits %v, %v", edits, err)
	}
	results := make([]result, len(all))
	if err := r.runSeries(t.Context(), all, progressOf(results)); err != nil {
		t.Fatal(err)
	}
	const likely, both = " -run R -lane virtual -fail-fast", " -lane both"
	calls := readCalls(t)
	for i, want := range []struct {
		says string
		ways []string
	}{
		{"caught by timens.TestA", []string{likely}},
		{"is equivalent: nobody can tell", []string{likely, both}},
		{"is equivalent: nobody reads it", []string{likely, both}},
		{"IS WRONG: it survives", []string{likely, both}},
		{"caught by timens.TestA", []string{" -run R -lane virtual -tests tests/p -fail-fast"}},
		{"is equivalent: it is built already", []string{likely, both}},
		{"caught by timens.TestA", []string{likely}},
		{"IS WRONG: it failed, but no test caught it: no sign of life", []string{likely, both}},
	} {
		if got := results[i].says(2); got != want.says {
			t.Errorf("%v %s, want %s", all[i].mutant, got, want.says)
		}
		dir := filepath.Join(resultsFolder, "control", all[i].name)
		kernel := fmt.Sprintf("-patch %s/control/asleep-1/asleep.patch -append vmtest.mutant=%d", resultsFolder, i+1)
		if i == 2 || i == 5 {
			kernel = fmt.Sprintf("-patch %s/%s.patch -forget", dir, all[i].name)
		}
		var ways []string
		for _, call := range calls {
			if rest, ours := strings.CutPrefix(call, "run -results "+dir+" -base 6.12 -series control "+kernel); ours {
				ways = append(ways, strings.TrimSuffix(rest, " -order source"))
			}
		}
		if !slices.Equal(ways, want.ways) {
			t.Errorf("%v is run as %q, want %q; calls:\n%s", all[i].mutant, ways, want.ways, strings.Join(calls, "\n"))
		}
	}
	if kept, err := filepath.Glob("made-*"); err != nil || kept != nil {
		t.Errorf("kernels are kept: %v, %v", kept, err)
	}
	again := make([]result, len(all))
	if err := errors.Join(os.Remove("calls"), r.runSeries(t.Context(), all, progressOf(again))); err != nil {
		t.Fatal(err)
	}
	for i, res := range again {
		if remembered := results[i].wrong == nil; remembered != !strings.Contains(strings.Join(readCalls(t), "\n"), "/"+res.name+" ") || remembered && res.says(2) != results[i].says(2) {
			t.Errorf("%v %s, and again %s; calls: %q", res.mutant, results[i].says(2), res.says(2), readCalls(t))
		}
	}
	if calls := readCalls(t); slices.ContainsFunc(calls, func(call string) bool { return strings.HasPrefix(call, "kernel ") }) {
		t.Errorf("two mutants need no kernel without a mutant:\n%s", strings.Join(calls, "\n"))
	}
}

func progressOf(results []result) progress {
	return progress{results: results, done: new(int), of: len(results)}
}

// readCalls returns how bin/vmtest was called.
func readCalls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("calls")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// numbersRun returns the numbers of the mutants that calls have woken.
func numbersRun(calls []string) map[string]bool {
	all := make(map[string]bool)
	for _, call := range calls {
		if _, rest, woken := strings.Cut(call, "vmtest.mutant="); woken {
			number, _, _ := strings.Cut(rest, " ")
			all[number] = true
		}
	}
	return all
}

// numbersOf returns the numbers of the mutants by which they were run, as their folders say.
func numbersOf(t *testing.T) map[string]int {
	t.Helper()
	numbers := make(map[string]int)
	for _, call := range readCalls(t) {
		_, rest, woken := strings.Cut(call, "vmtest.mutant=")
		_, dir, _ := strings.Cut(call, "-results "+resultsFolder+"/")
		dir, _, _ = strings.Cut(dir, " ")
		if number := 0; woken && !strings.Contains(dir, "asleep") {
			if _, err := fmt.Sscan(rest, &number); err != nil {
				t.Fatal(err)
			}
			numbers[dir] = number
		}
	}
	return numbers
}

// A kernel that fails while all mutants sleep shows nothing, and few mutants get no kernel together.
func TestSleepRefused(t *testing.T) {
	r, all := generatedRunner(t)
	var err error
	if r.compiler, err = r.newCompiler(t.Context(), all[0].tree.Tree); err != nil {
		t.Fatal(err)
	}
	defer r.compiler.Close()
	if k, err := r.sleep(t.Context(), all[:leastAsleep-1], "few"); k != nil || err != nil {
		t.Errorf("few mutants sleep: %v, %v", k, err)
	}
	bad := strings.Replace(asleepVmtest, "number=none\n", "number=none\n[ $1 = run ] && set -- \"$@\" vmtest.mutant=1\n", 1)
	if err := cache.WriteFile("bin/vmtest", []byte(bad)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("bin/vmtest", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sleep(t.Context(), all, "bad"); err == nil || !strings.Contains(err.Error(), "while all mutants sleep, control does not pass: fail; see "+filepath.Join(resultsFolder, "control", "bad")) {
		t.Errorf("a kernel that fails while all sleep: %v", err)
	}
	if err := os.WriteFile("bin/vmtest", []byte("#!/bin/sh\necho 'f.c:1:1: error: no' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if k, err := r.sleep(t.Context(), all, "unbuilt"); k != nil || err != nil {
		t.Errorf("a kernel that does not build: %v, %v; want that each mutant gets its own", k, err)
	}
}

// The patch has the files that are new, and changes no other.
func TestPatchOf(t *testing.T) {
	got := string(patchOf(map[string]string{"a": "1\n", "b": "2\n"}, map[string]string{"a": "1\n", "b": "3\n", "c": "4\n"}))
	if strings.Contains(got, "a/a") || !strings.Contains(got, "--- a/b\n+++ b/b\n") || !strings.Contains(got, "--- /dev/null\n+++ b/c\n@@ -0,0 +1,1 @@\n+4\n") {
		t.Errorf("the patch is\n%s", got)
	}
}
