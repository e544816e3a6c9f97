// SPDX-License-Identifier: BSD-3-Clause

package selftests

import (
	"errors"
	"maps"
	"os"
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
	"tools/testing/selftests/lib.mk":              "all: $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))\nTEST_GEN_PROGS := $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))\n$(OUTPUT)/%: %.c\n\tgcc $(KHDR_INCLUDES) $(CFLAGS) $(LDFLAGS) -o $@ $<\n",
	"tools/testing/selftests/kselftest.h":         "#define RESULT ANSWER\n",
	"tools/testing/selftests/clone3/Makefile":     "TEST_GEN_PROGS := first\nCFLAGS := -Wall -Werror\ninclude ../lib.mk\n",
	"tools/testing/selftests/clone3/first.c":      "#include <linux/bare.h>\n#include <linux/answer.h>\n#include \"../kselftest.h\"\nint main(void) { return RESULT; }\n",
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
	if err != nil || len(programs) != 1 || status(programs["clone3/first"]) != 41 {
		t.Fatalf("got %v, %v, want clone3/first, which exits 41", programs, err)
	}
	again, err := build([]string{"clone3", "timens"})
	if err != nil || !maps.Equal(again, programs) {
		t.Errorf("the second time: %v, %v, want %v", again, err, programs)
	}
	const header = "diff --git a/include/uapi/linux/answer.h b/include/uapi/linux/answer.h\n--- a/include/uapi/linux/answer.h\n+++ b/include/uapi/linux/answer.h\n@@ -1,3 +1,3 @@\n #include <linux/compiler_types.h>\n-#define ANSWER 41\n+#define ANSWER 42\n struct s { char __user *p; };\n"
	if patched, err := build([]string{"clone3"}, header); err != nil || status(patched["clone3/first"]) != 42 {
		t.Errorf("with another header: %v, %v, want an exit status of 42", patched, err)
	}
	const second = "diff --git a/tools/testing/selftests/clone3/Makefile b/tools/testing/selftests/clone3/Makefile\n--- a/tools/testing/selftests/clone3/Makefile\n+++ b/tools/testing/selftests/clone3/Makefile\n@@ -1,3 +1,3 @@\n-TEST_GEN_PROGS := first\n+TEST_GEN_PROGS := first second\n CFLAGS := -Wall -Werror\n include ../lib.mk\n" +
		"diff --git a/tools/testing/selftests/clone3/second.c b/tools/testing/selftests/clone3/second.c\nnew file mode 100644\n--- /dev/null\n+++ b/tools/testing/selftests/clone3/second.c\n@@ -0,0 +1 @@\n+int main(void) { return 7; }\n"
	more, err := build([]string{"clone3"}, second)
	if err != nil || status(more["clone3/second"]) != 7 {
		t.Errorf("with a new program: %v, %v, want clone3/second, which exits 7", slices.Collect(maps.Keys(more)), err)
	}
	var fault *blame.BuildError
	if _, err := build([]string{"clone3"}, strings.Replace(second, "return 7", "int unused; return 7", 1)); !errors.As(err, &fault) || !strings.Contains(err.Error(), "\ntools/testing/selftests/clone3/second.c:1:") || !strings.Contains(err.Error(), "unused") {
		t.Errorf("a program that does not compile: %v, want a BuildError with the line", err)
	}
	if none, err := build([]string{"timens"}); err != nil || len(none) != 0 {
		t.Errorf("a suite that is not there: %v, %v", none, err)
	}

	// A damaged program is built again.
	if err := os.WriteFile(programs["clone3/first"], []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if again, err := build([]string{"clone3", "timens"}); err != nil || status(again["clone3/first"]) != 41 {
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
		compile[selftestsDir+"/lib.mk"] = strings.Replace(compile[selftestsDir+"/lib.mk"], "\tgcc", "\t@"+line+"\n\tgcc", 1)
		for step, tree := range map[string]map[string]string{"list": list, "compile": compile} {
			w := kerneltest.New(t, tree)
			_, err := Build(t.Context(), w.Host, w.Tree(t), []string{"clone3"})
			hosttest.Blames(t, step+": "+line, err, strings.Replace(want, "PLACE", "/programs/clone3", 1))
		}
	}
}
