// SPDX-License-Identifier: BSD-3-Clause

package selftests

import (
	"debug/elf"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// A program that a suite names must be a file that the suite made, and not a link or a
// file elsewhere.
func TestSelftestsAreMade(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "first")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, lib := range map[string]string{
		"link":      "all: $(OUTPUT)/first\nTEST_GEN_PROGS := $(OUTPUT)/first\n$(OUTPUT)/first:\n\tln -s " + secret + " $@\n",
		"elsewhere": "TEST_GEN_PROGS := " + secret + "\n" + secret + ":\n\t@true\n",
	} {
		tree := maps.Clone(fakeSelftests)
		tree[selftestsDir+"/lib.mk"] = lib
		w := kerneltest.New(t, tree)
		if programs, err := Build(t.Context(), w.Host, w.Tree(t), []string{"clone3"}); err == nil {
			t.Errorf("%s: got %v, want an error", name, programs)
		}
	}
}

// fakeSelftests are the files of a tree that Build needs.
var fakeSelftests = map[string]string{
	"include/uapi/linux/answer.h":                 "#include <linux/compiler_types.h>\n#define ANSWER 41\nstruct s { char __user *p; };\n",
	"include/uapi/linux/bare.h":                   "struct bare { char __user *p; };\n", // "make headers" takes such words out
	"tools/testing/selftests/lib.mk":              "CC := gcc\nall: $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))\nTEST_GEN_PROGS := $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))\n$(OUTPUT)/%: %.c\n\t$(CC) $(KHDR_INCLUDES) $(CFLAGS) $(LDFLAGS) $< $(LDLIBS) -o $@\n",
	"tools/testing/selftests/kselftest.h":         "#define RESULT ANSWER\n",
	"tools/testing/selftests/clone3/Makefile":     "TEST_GEN_PROGS := first caps\nCFLAGS := -Wall -Werror\nLDLIBS := -lcap\ninclude ../lib.mk\n",
	"tools/testing/selftests/clone3/first.c":      "#include <asm/unistd.h>\n#include <linux/bare.h>\n#include <linux/answer.h>\n#include \"../kselftest.h\"\nint main(void) { return RESULT; }\n",
	"tools/testing/selftests/clone3/caps.c":       "#include <sys/capability.h>\nint main(void) { return cap_get_proc() == 0; }\n",
	"tools/testing/selftests/clone3/sub/unused.c": "none\n",
	"tools/testing/selftests/other/huge":          "none\n",
}

func TestSelftests(t *testing.T) {
	w := kerneltest.New(t, fakeSelftests)
	build := func(suites []string, patches ...string) (map[string]string, error) {
		var all []patch.Patch
		for _, text := range patches {
			p, err := patch.Parse("x.patch", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		return Build(t.Context(), w.Host, w.Tree(t, all...), suites)
	}
	status := func(path string) int {
		err := sandbox.Command(t.Context(), "", nil, path).Run()
		var exit interface{ ExitCode() int }
		if !errors.As(err, &exit) {
			t.Fatalf("%s: %v", path, err)
		}
		return exit.ExitCode()
	}
	programs, err := build([]string{"clone3", "timens"})
	want := map[string]elf.Class{"386/clone3/first": elf.ELFCLASS32, "amd64/clone3/caps": elf.ELFCLASS64, "amd64/clone3/first": elf.ELFCLASS64}
	if err != nil || !slices.Equal(slices.Sorted(maps.Keys(programs)), slices.Sorted(maps.Keys(want))) {
		t.Fatalf("got %v, %v, want %v", programs, err, slices.Sorted(maps.Keys(want)))
	}
	for name, class := range want {
		f, err := elf.Open(programs[name])
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := f.ImportedLibraries()
		if f.Class != class || libraries != nil || err != nil {
			t.Errorf("%s: %v with the libraries %v, %v, want a static one of %v", name, f.Class, libraries, err, class)
		}
		f.Close()
	}
	if got := status(programs["amd64/clone3/first"]); got != 41 {
		t.Errorf("clone3/first exits %d, want 41", got)
	}
	again, err := build([]string{"clone3", "timens"})
	if err != nil || !maps.Equal(again, programs) {
		t.Errorf("the second time: %v, %v, want %v", again, err, programs)
	}
	const header = "diff --git a/include/uapi/linux/answer.h b/include/uapi/linux/answer.h\n--- a/include/uapi/linux/answer.h\n+++ b/include/uapi/linux/answer.h\n@@ -1,3 +1,3 @@\n #include <linux/compiler_types.h>\n-#define ANSWER 41\n+#define ANSWER 42\n struct s { char __user *p; };\n"
	if patched, err := build([]string{"clone3"}, header); err != nil || status(patched["amd64/clone3/first"]) != 42 {
		t.Errorf("with another header: %v, %v, want an exit status of 42", patched, err)
	}
	const second = "diff --git a/tools/testing/selftests/clone3/Makefile b/tools/testing/selftests/clone3/Makefile\n--- a/tools/testing/selftests/clone3/Makefile\n+++ b/tools/testing/selftests/clone3/Makefile\n@@ -1,3 +1,3 @@\n-TEST_GEN_PROGS := first caps\n+TEST_GEN_PROGS := first caps second\n CFLAGS := -Wall -Werror\n LDLIBS := -lcap\n" +
		"diff --git a/tools/testing/selftests/clone3/second.c b/tools/testing/selftests/clone3/second.c\nnew file mode 100644\n--- /dev/null\n+++ b/tools/testing/selftests/clone3/second.c\n@@ -0,0 +1 @@\n+int main(void) { return 7; }\n"
	more, err := build([]string{"clone3"}, second)
	if err != nil || status(more["amd64/clone3/second"]) != 7 || more["386/clone3/second"] == "" {
		t.Errorf("with a new program: %v, %v, want clone3/second, which exits 7", slices.Collect(maps.Keys(more)), err)
	}
	var fault *blame.BuildError
	if _, err := build([]string{"clone3"}, strings.Replace(second, "return 7", "int unused; return 7", 1)); !errors.As(err, &fault) || !strings.Contains(err.Error(), "\ntools/testing/selftests/clone3/second.c:1:") || !strings.Contains(err.Error(), "unused") {
		t.Errorf("a program that does not compile: %v, want a BuildError with the line", err)
	}
	long := strings.Replace(second, "return 7", "char a[sizeof(long) == 8 ? 1 : -1]; return !sizeof(a)", 1)
	if _, err := build([]string{"clone3"}, long); !errors.As(err, &fault) || !strings.Contains(err.Error(), "selftests/clone3 for 32 bits: ") || !strings.Contains(err.Error(), "\ntools/testing/selftests/clone3/second.c:1:") {
		t.Errorf("a program that compiles for 64 bits alone: %v, want a BuildError with the line", err)
	}
	if none, err := build([]string{"timens"}); err != nil || len(none) != 0 {
		t.Errorf("a suite that is not there: %v, %v", none, err)
	}

	// A damaged program is built again.
	if err := os.WriteFile(programs["amd64/clone3/first"], []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if again, err := build([]string{"clone3", "timens"}); err != nil || status(again["amd64/clone3/first"]) != 41 {
		t.Errorf("after damage: %v, %v", again, err)
	}
	if left, err := filepath.Glob(filepath.Join(w.Cache.Dir, "selftests", "tmp-*")); err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSelftestsBlameHost(t *testing.T) {
	for line, want := range hosttest.Faults {
		list, compile := maps.Clone(fakeSelftests), maps.Clone(fakeSelftests)
		list[selftestsDir+"/clone3/Makefile"] += "vmtest-targets: fault\nfault:\n\t@" + line + "\n"
		compile[selftestsDir+"/lib.mk"] = strings.Replace(compile[selftestsDir+"/lib.mk"], "\t$(CC)", "\t@"+line+"\n\t$(CC)", 1)
		for step, tree := range map[string]map[string]string{"list": list, "compile": compile} {
			w := kerneltest.New(t, tree)
			_, err := Build(t.Context(), w.Host, w.Tree(t), []string{"clone3"})
			hosttest.Blames(t, step+": "+line, err, strings.Replace(want, "PLACE", "/programs/amd64/clone3", 1))
		}
	}
}

// A compiler without the libraries for 32-bit programs is the host's fault. Programs that are in
// the cache do not need it.
func TestNoLibrariesFor32Bits(t *testing.T) {
	w := kerneltest.New(t, fakeSelftests)
	build := func(suites ...string) error {
		_, err := Build(t.Context(), w.Host, w.Tree(t), suites)
		return err
	}
	if err := errors.Join(Check(t.Context()), build("clone3")); err != nil {
		t.Fatal(err)
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatal(err)
	}
	bin := hosttest.Folder(t, map[string]string{"gcc": "#!/bin/sh\ncase \" $* \" in *\" -m32 \"*) echo '/usr/bin/ld: cannot find -lgcc: No such file or directory' >&2; exit 1;; esac\nexec " + gcc + " \"$@\"\n"})
	if err := os.Chmod(filepath.Join(bin, "gcc"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if err := build("clone3"); err != nil {
		t.Errorf("from the cache: %v", err)
	}
	w.Host.Cache.Dir = t.TempDir()
	for name, err := range map[string]error{"Check": Check(t.Context()), "Build": build("clone3")} {
		var fault *blame.BuildError
		if err == nil || errors.As(err, &fault) || !strings.Contains(err.Error(), "ld: cannot find -lgcc: No such file or directory; type \"make deps\"") {
			t.Errorf("%s: %v, want an error of the host that says what is missing, and what to type", name, err)
		}
	}
}
