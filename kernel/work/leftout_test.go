// SPDX-License-Identifier: BSD-3-Clause

package work

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// An object depends no more on an option that has changed if no line that mentions it can be seen, before
// and after. In all other cases make compiles it again.
func TestForgetLeftOut(t *testing.T) {
	const x, hidden = "#ifdef CONFIG_X\nint x;\n#endif\n", "#ifdef CONFIG_OFF\n#ifdef CONFIG_X\nint x;\n#endif\n#endif\n"
	for name, tc := range map[string]struct {
		header, source string
		more           string // lines of both configurations
		before, after  string // lines of one
		flags          string // of the compiler
		deps           string // lines of the command file
		forgotten      bool
	}{
		"in what an option leaves out":         {header: hidden, forgotten: true},
		"in what #ifndef leaves out":           {header: "#ifndef CONFIG_ON\n" + x + "#endif\n", forgotten: true},
		"in what #if defined() leaves out":     {header: "#if defined(CONFIG_OFF)\n" + x + "#endif\n", forgotten: true},
		"in what #else leaves out":             {header: "#ifdef CONFIG_ON\n#else\n" + x + "#endif\n", forgotten: true},
		"in a comment that is left out":        {header: "#ifdef CONFIG_OFF\n/* CONFIG_X */\n#endif\n", forgotten: true},
		"as a module that is left out":         {header: "#ifdef CONFIG_OFF\n#ifdef CONFIG_X_MODULE\n#endif\n#endif\n", forgotten: true},
		"and another header sets no option":    {header: hidden + "#define XCONFIG_OFF\n", forgotten: true},
		"in the open":                          {header: x},
		"in the source":                        {header: hidden, source: "int y = IS_ENABLED(CONFIG_X);\n"},
		"in a comment":                         {header: hidden, source: "/* CONFIG_X */\n"},
		"as a module":                          {header: hidden, source: "#ifdef CONFIG_X_MODULE\n#endif\n"},
		"behind what is left out":              {header: "#ifdef CONFIG_OFF\n#endif\n" + x},
		"in #else":                             {header: "#ifdef CONFIG_OFF\n#else\n" + x + "#endif\n"},
		"in #elif":                             {header: "#ifdef CONFIG_OFF\n#elif defined(CONFIG_X)\n#endif\n"},
		"behind #elif":                         {header: "#ifdef CONFIG_OFF\n#elif 1\n" + x + "#endif\n"},
		"where an unknown condition decides":   {header: "#ifdef OFF\n" + x + "#endif\n"},
		"in what a comment seems to leave out": {header: "/*\n#ifdef CONFIG_OFF\n*/\n" + x + "#ifdef CONFIG_OFF\n#endif\n"},
		"in what is left out before":           {header: hidden, after: "CONFIG_OFF=y\n"},
		"in what is left out after":            {header: hidden, before: "CONFIG_OFF=y\n"},
		"and a number decides":                 {header: "#ifndef CONFIG_N\n" + x + "#endif\n#ifdef CONFIG_N\n#endif\n", more: "CONFIG_N=1\n", forgotten: true},
		"where a number is":                    {header: "#ifdef CONFIG_N\n" + x + "#endif\n", more: "CONFIG_N=1\n"},
		"and a header sets another option":     {header: hidden, source: "#define CONFIG_ON 1\n", forgotten: true},
		"and a header sets an option":          {header: hidden, source: "# define CONFIG_OFF 1\n"},
		"and a header unsets one":              {header: "#ifndef CONFIG_ON\n" + x + "#endif\n", source: "#undef CONFIG_ON\n"},
		"and the compiler gets an option":      {header: hidden, flags: "-DCONFIG_OFF=1"},
		"and there are modules":                {header: hidden, more: "CONFIG_M=m\n"},
		"and a file cannot be found":           {header: ""},
		"and a file lies elsewhere":            {header: hidden, deps: "  ../lib/c.c \\\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := Folder{Host: host.Host{Sandbox: sandbox.Box{Off: true}}, Dir: t.TempDir()}
			const command = "out/.a.o.cmd"
			text := "savedcmd_a.o := gcc " + tc.flags + " -c -o a.o SRC/a.c\n\nsource_a.o := SRC/a.c\n\ndeps_a.o := \\\n" +
				"    $(wildcard include/config/ON) \\\n    $(wildcard include/config/X) \\\n    $(wildcard include/config/XY) \\\n" +
				"  SRC/include/a.h \\\n  include/generated/b.h \\\n" + tc.deps + "\na.o: $(deps_a.o)\n\n$(deps_a.o):\n"
			text = strings.ReplaceAll(text, "SRC", f.Src())
			files := map[string]string{
				"src/a.c": "#include \"a.h\"\n" + tc.source, "src/include/a.h": tc.header, "out/include/generated/b.h": "int b;\n", command: text,
				"out/include/config/auto.conf": "CONFIG_ON=y\nCONFIG_XY=a b\n" + tc.more + tc.before,
				"out/.config":                  "CONFIG_ON=y\n# CONFIG_OFF is not set\nCONFIG_X=y\nCONFIG_XY=\"a b\"\n" + tc.more + tc.after,
			}
			if tc.header == "" {
				delete(files, "src/include/a.h")
			}
			for path, text := range files {
				path = filepath.Join(f.Dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.ForgetLeftOut(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(f.Dir, command))
			if err != nil {
				t.Fatal(err)
			}
			want := text
			if tc.forgotten {
				want = strings.Replace(text, "    $(wildcard include/config/X) \\\n", "", 1)
			}
			if string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
