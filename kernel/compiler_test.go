// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/symbols"
)

// A compiler makes of a source what make has made of it, and of another text something else. Kernels are built
// meanwhile.
func TestCompiler(t *testing.T) {
	for name, launcher := range map[string]string{"gcc": "", "ccache": "/usr/bin/ccache "} {
		t.Run(name, func(t *testing.T) { testCompiler(t, launcher) })
	}
}

// testCompiler tests the compiler of a kernel whose make has put the launcher before gcc.
func testCompiler(t *testing.T, launcher string) {
	tree := maps.Clone(fakeTree)
	tree["Makefile"] = strings.Replace(tree["Makefile"], "\t@gcc -c -Wall -o $@ $(CURDIR)/$<\n", `	@mkdir -p $(O)/include && echo '#define MADE 5' > $(O)/include/made.h
	@gcc -I$(CURDIR)/include -I$(O)/include -c -o $@ $(CURDIR)/$<
	@printf 'savedcmd_main.o := `+launcher+`gcc -Wp,-MMD,.main.o.d -I$(CURDIR)/include -I./include -c -o main.o $(CURDIR)/main.c ; ./look main.o\n\n' > $(O)/.main.o.cmd
	@printf 'deps_main.o := \\\n  $(CURDIR)/include/lib.h \\\n\n' >> $(O)/.main.o.cmd
`, 1)
	const source, header = "main.c", "include/lib.h"
	tree[source] = "#include <lib.h>\n#include <made.h>\n#include \"near.h\"\nint main(void)\n{\n\treturn LIB + MADE + NEAR;\n}\n"
	tree[header], tree["near.h"] = "#define LIB 3\n", "#define NEAR 2\n"
	w := newWorld(t)
	w.base.Dir, w.base.ID = hosttest.Folder(t, tree), "base"
	c, err := NewCompiler(t.Context(), w.Host, Spec{Tree: w.tree()})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Has(source) || c.Has("other.c") || !slices.Equal(c.Including(header), []string{source}) || c.Including("include/made.h") != nil {
		t.Errorf("the compiler knows %v and %v", c.commands, c.includes)
	}
	w.mustBuild("")
	// Another process that makes room removes what a killed one has left.
	if _, _, err := w.Host.Cache.Prune(t.Context(), 1<<40); err != nil {
		t.Fatal(err)
	}
	first, _, err := c.Compile(t.Context(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]struct {
		file, from, to string
		same           bool
		says           string
	}{
		"nothing":       {source, "", "", true, ""},
		"a comment":     {source, "return", "/* is */ return", true, ""},
		"other code":    {source, "+ MADE", "- MADE", false, ""},
		"a header":      {header, "3", "4", false, ""},
		"a bad edit":    {source, "+ MADE", "+ NONE", false, "main.c:6:15: error: 'NONE' undeclared"},
		"a bad header":  {header, "3", "(", false, "main.c:6:"},
		"a bad begin":   {source, "int main", "int int main", false, "main.c:4:5: error:"},
		"equal results": {source, "LIB + MADE", "MADE + LIB", true, ""},
	} {
		object, printed, err := c.Compile(t.Context(), source, map[string]string{e.file: strings.Replace(tree[e.file], e.from, e.to, 1)})
		if err != nil || (object == nil) != (e.says != "") || !strings.Contains(printed, e.says) {
			t.Errorf("%s: %d bytes, %v; it printed\n%s", name, len(object), err, printed)
			continue
		}
		if object == nil {
			continue
		}
		if same, err := symbols.SameObject(first, object); err != nil || same != e.same {
			t.Errorf("%s: the object is the same: %v, %v, want %v", name, same, err, e.same)
		}
	}
	var group errgroup.Group
	for range 8 { // several at a time do not disturb each other
		group.Go(func() error {
			object, _, err := c.Compile(t.Context(), source, nil)
			if same, serr := symbols.SameObject(first, object); err == nil && (!same || serr != nil) {
				err = fmt.Errorf("the object is the same: %v, %v", same, serr)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Compile(t.Context(), "other.c", nil); err == nil || !strings.Contains(err.Error(), "has no object of other.c") {
		t.Errorf("a source that is not compiled: %v", err)
	}
	c.commands[source] = "no-such-compiler " + c.commands[source]
	if _, _, err := c.Compile(t.Context(), source, nil); err == nil || !strings.Contains(err.Error(), "compile main.c: ") {
		t.Errorf("a compiler that does not exist: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
}
