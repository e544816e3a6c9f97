// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
)

// The selftests and the documentation of a series make no other kernel.
func TestBuildIgnoresWhatItDoesNotRead(t *testing.T) {
	w := newWorld(t)
	w.mustBuild(good)
	for file, cached := range map[string]bool{
		"tools/testing/selftests/x/Makefile": true, "tools/perf/x.c": true, "Documentation/x.rst": true,
		"Documentation/Kconfig": false, "tools/objtool/x.c": false, "new.c": false,
	} {
		text := strings.NewReplacer("n.c", file).Replace("diff --git a/n.c b/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1 @@\n+x\n")
		if image := w.mustBuild(good, text); image.Cached != cached {
			t.Errorf("with a new %s: cached %t, want %t", file, image.Cached, cached)
		}
	}
}

// Make says nothing of what it does not compile: a linter that looks at its
// output has it compile.
func TestLintCompiles(t *testing.T) {
	tree := twoSources("int other(int unused) { return 0; }\n")
	tree["Makefile"] = strings.ReplaceAll(tree["Makefile"], "-Wall", "-Wall $(if $(W),-Wextra)") + "%.o: $(O)/%.o ;\n"
	w := newWorld(t)
	w.base.Dir = hosttest.Folder(t, tree)
	w.base.ID = "base"
	p := returning(t, 1)
	sources := []string{"main.c", "other.c"}
	lint := func(patches ...patch.Patch) []kbuild.Warning {
		t.Helper()
		found, err := W1.Lint(t.Context(), w.Host, Spec{Tree: w.tree(patches...)}, sources)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	patched, base := lint(p), lint()
	if len(patched) != 1 || patched[0].File != "other.c" || !strings.HasPrefix(patched[0].String(), "other.c:1:15: warning: unused parameter") || !slices.Equal(base, patched) {
		t.Errorf("with the patch %q, without it %q, want the warning of other.c from both", patched, base)
	}
	// The same question, when its answer is lost.
	if err := os.RemoveAll(filepath.Join(w.Cache.Dir, "answers")); err != nil {
		t.Fatal(err)
	}
	if again := lint(); !slices.Equal(again, base) {
		t.Errorf("asked again: %q, want %q", again, base)
	}
}

// What is left of a make that was killed is not taken for what the configuration
// does not build.
func TestLintBeginsAnewAfterKill(t *testing.T) {
	w := newWorld(t)
	w.base.ID = "base"
	makefile := strings.Replace(fakeTree["Makefile"], "$(O)/main.o: main.c", "%.o: $(O)/%.o\n\t@$(if $(C),echo \"main.c:1:1: warning: bad\" >&2)\n$(O)/main.o: main.c", 1)
	if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Tree: w.tree()}
	if _, err := Build(t.Context(), w.Host, spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.Cache.Dir, "work", spec.workKey(), "making"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := Sparse.Lint(t.Context(), w.Host, spec, []string{"main.c"})
	if err != nil || len(found) != 1 {
		t.Errorf("got %q, %v, want the warning of main.c", found, err)
	}
}
