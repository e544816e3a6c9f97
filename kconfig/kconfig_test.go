// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	c, err := Parse("f", []byte("# a comment\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S=\"a b\"\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S=\"a b\"\n"
	if got := string(c.Bytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := c.Options[2].Line; got != 5 {
		t.Errorf("line of CONFIG_S is %d, want 5", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"CONFIG_A",
		"CONFIG_A=",
		"A=y",
		"# CONFIG_A is not  set",
		"#CONFIG_A is not set",
		"# config_a is Not Set.",
		"  # CONFIG_A is not set",
		"CONFIG_A=y # why",
		"CONFIG_A=yes",
		"CONFIG_A=\"a\"b\"",
		" CONFIG_A=y",
		"CONFIG_A=y\nCONFIG_A=y",
		"CONFIG_A=y\n# CONFIG_A is not set",
	} {
		if c, err := Parse("f", []byte(text)); err == nil {
			t.Errorf("%q was taken for %v", text, c.Options)
		}
	}
	_, err := Parse("f", []byte("\nCONFIG_A"))
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line != 2 {
		t.Errorf("got %v, want a SyntaxError of line 2", err)
	}
}

// An option that is commented out, and a comment that mentions an option, are
// comments, as for the kernel's own scripts.
func TestParseComments(t *testing.T) {
	text := "# CONFIG_A=y\n# CONFIG_B is for later\n#CONFIG_C=m\n  # indented\n\t\n# CONFIG_D was not set before\nCONFIG_X=0x1f\n"
	c, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Bytes()), "CONFIG_X=0x1f\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A refused line says what to write.
func TestParseSaysWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"#CONFIG_A is not set": `write "# CONFIG_A is not set"`,
		"CONFIG_A=y # why":     "put a comment on a line of its own",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "f:1: ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMergeLaterWins(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "CONFIG_X=y\nCONFIG_Y=y\n")
	write(t, b, "# CONFIG_X is not set\nCONFIG_Z=3\n")
	c, err := Load(a, b)
	if err != nil {
		t.Fatal(err)
	}
	const want = "# CONFIG_X is not set\nCONFIG_Y=y\nCONFIG_Z=3\n"
	if got := string(c.Bytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.Options[0].File != b {
		t.Errorf("CONFIG_X is blamed on %s, want %s", c.Options[0].File, b)
	}
}

func TestLoadEmptyIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty")
	write(t, path, "# nothing\n")
	if _, err := Load(path); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v, want %v", err, ErrEmpty)
	}
}

func TestVerify(t *testing.T) {
	c, err := Parse("f", []byte("CONFIG_A=y\nCONFIG_N=8\n# CONFIG_OFF is not set\n# CONFIG_ABSENT is not set\nCONFIG_S=\"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	good := "CONFIG_A=y\nCONFIG_N=8\n# CONFIG_OFF is not set\nCONFIG_S=\"\"\nCONFIG_MORE=y\n"
	if err := c.Verify([]byte(good), nil); err != nil {
		t.Errorf("a .config with everything: %v", err)
	}
	for _, tc := range []struct{ from, to, lost string }{
		{"CONFIG_A=y\n", "", "CONFIG_A"},
		{"CONFIG_A=y\n", "CONFIG_A=m\n", "CONFIG_A"},
		{"CONFIG_A=y\n", "CONFIG_AA=y\n", "CONFIG_A"},
		{"CONFIG_A=y\n", "#CONFIG_A=y\n", "CONFIG_A"},
		{"CONFIG_N=8\n", "CONFIG_N=80\n", "CONFIG_N"},
		{"# CONFIG_OFF is not set\n", "CONFIG_OFF=y\n", "CONFIG_OFF"},
		{"CONFIG_MORE=y\n", "CONFIG_ABSENT=m\n", "CONFIG_ABSENT"},
	} {
		err := c.Verify([]byte(strings.Replace(good, tc.from, tc.to, 1)), nil)
		var lost *LostError
		if !errors.As(err, &lost) || len(lost.Lost) != 1 || lost.Lost[0].Name != tc.lost {
			t.Errorf("%q instead of %q: got %v, want %s lost", tc.to, tc.from, err, tc.lost)
		}
	}
}

// An option that is meant for some trees is requested of these trees only, and must be
// absent in others.
func TestIfDefined(t *testing.T) {
	c, err := Parse("f", []byte("CONFIG_A=y\n#if-defined OLD\nCONFIG_OLD=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]bool{"A": true, "OLD": true}
	for _, tc := range []struct {
		dotconfig string
		defined   map[string]bool
		want      string // of the error; "" for none
	}{
		{"CONFIG_A=y\nCONFIG_OLD=y\n", old, ""},
		{"CONFIG_A=y\n", old, "f:3: wanted CONFIG_OLD=y, got n"},
		{"CONFIG_A=y\n", nil, ""},
		{"CONFIG_A=y\nCONFIG_OLD=y\n", nil, "f:3: CONFIG_OLD is meant for trees that define OLD"},
	} {
		err := c.Verify([]byte(tc.dotconfig), tc.defined)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q with %v defined: got %v, want %q", tc.dotconfig, tc.defined, err, tc.want)
		}
	}
	meant, others := c.For(nil)
	if string(meant.Bytes()) != "CONFIG_A=y\n" || len(others.Options) != 1 {
		t.Errorf("meant are %q, others %v", meant.Bytes(), others)
	}
	for _, defined := range []map[string]bool{nil, old, {"A": true}} {
		undefined := c.Undefined(defined)
		want, _ := c.For(defined)
		if got, _ := c.For(c.DefinedBut(undefined)); undefined == nil || string(got.Bytes()) != string(want.Bytes()) {
			t.Errorf("with %v defined and %q not: %q is meant, want %q", defined, undefined, got.Bytes(), want.Bytes())
		}
	}
	for _, wrong := range []string{"#if-defined\nCONFIG_A=y\n", "#if-defined A B\nCONFIG_A=y\n", "#if-defined A\n\nCONFIG_A=y\n", "#if-defined A\n#if-defined B\nCONFIG_A=y\n"} {
		if _, err := Parse("f", []byte(wrong)); err == nil || !strings.Contains(err.Error(), "f:") {
			t.Errorf("%q: got %v, want an error with file and line", wrong, err)
		}
	}
	if _, err := Parse("f", []byte("CONFIG_A=y\n#if-defined A\n")); err == nil {
		t.Error("a directive on the last line was accepted")
	}
}

// Symbols come from the Kconfig files that a kernel for x86 reads, and from the lines of these that
// define one.
func TestDefined(t *testing.T) {
	files := map[string]string{
		"Kconfig": "# " + strings.Repeat("x", 1<<17) + "\nconfig A # a comment\n\tbool\nmenuconfig\tB\n\tbool \"config C\"\n\thelp\n\t  See\n\t  config HELPED\n\t  for more.\n" +
			"if A\n  config INDENTED\n\tbool\nendif\nsource \"arch/$(SRCARCH)/Kconfig\"\nsource \"nowhere/Kconfig\"\nsource \"../outside/Kconfig\"\nsource \"sub/Kconfig.x\"\n",
		"arch/x86/Kconfig":                "config IS_X86\n",
		"arch/arm64/Kconfig":              "config IS_ARM64\n",
		"sub/Kconfig.x":                   "config SUB\nsource \"Kconfig\"\n",
		"sub/Kconfig":                     "config UNREAD\n",
		"scripts/kconfig/tests/x/Kconfig": "config TESTED\n",
		"../outside/Kconfig":              "config OUTSIDE\n",
	}
	read := func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	got, err := Defined(read)
	if want := (map[string]bool{"A": true, "B": true, "INDENTED": true, "IS_X86": true, "SUB": true}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	// What cannot be read may define anything.
	denied := func(path string) ([]byte, error) {
		if path == "sub/Kconfig.x" {
			return nil, fs.ErrPermission
		}
		return read(path)
	}
	if got, err := Defined(denied); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("with a file that cannot be read: got %v, %v", got, err)
	}
	if got, err := Defined(func(string) ([]byte, error) { return nil, fs.ErrNotExist }); err != nil || len(got) != 0 {
		t.Errorf("without Kconfig files: got %v, %v", got, err)
	}
}

// What is left out is said with the reason.
func TestLeftOut(t *testing.T) {
	c, err := Parse("/x/f.config", []byte("CONFIG_A=y\n#if-tinyconfig\n# CONFIG_VT is not set\n#if-defined OLD\nCONFIG_OLD=y\n#if-defined HERE\nCONFIG_H=8\n"))
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{"HERE": true}
	const old = "f.config:5: CONFIG_OLD=y is left out: this tree does not define OLD"
	if got := c.LeftOut(defined); !slices.Equal(got, []string{old}) {
		t.Errorf("on top of tinyconfig: %q, want %q", got, old)
	}
	if got, want := c.Full().LeftOut(defined), []string{"left out, as they are for tinyconfig alone: CONFIG_VT", old}; !slices.Equal(got, want) {
		t.Errorf("on top of a .config: %q, want %q", got, want)
	}
}

// The project's own fragments must parse and must not contradict themselves.
func TestOwnFragments(t *testing.T) {
	files, err := filepath.Glob("*.config")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fragments: %v", err)
	}
	if _, err := Load(files...); err != nil {
		t.Error(err)
	}
}

// What Linux 6.1 does not define is requested only from trees that define it.
func TestOwnFragmentsOnOlderKernels(t *testing.T) {
	for file, name := range map[string]string{"debug.config": "HARDLOCKUP_DETECTOR_PREFER_BUDDY", "trace.config": "FUNCTION_GRAPH_RETVAL"} {
		c, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(c.Options, func(o Option) bool { return o.Name == "CONFIG_"+name })
		if at < 0 || c.Options[at].IfDefined != name {
			t.Errorf("%s requests CONFIG_%s from each tree, or from none", file, name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\n# CONFIG_B is not set\n"))
	f.Add([]byte("#if-defined A\nCONFIG_A=y\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if err != nil {
			return
		}
		again, err := Parse("f", c.Bytes())
		if err != nil {
			t.Fatalf("what Bytes prints does not parse: %v", err)
		}
		if string(again.Bytes()) != string(c.Bytes()) {
			t.Errorf("%q became %q", c.Bytes(), again.Bytes())
		}
		defined := make(map[string]bool)
		for _, o := range c.Options {
			defined[o.IfDefined] = true
		}
		if err := c.Verify(c.Bytes(), defined); err != nil {
			t.Errorf("a fragment does not verify against itself: %v", err)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// onTop returns the requests on top of a .config with this text.
func onTop(t *testing.T, c Config, text string) Config {
	t.Helper()
	on, err := c.On(Start{File: "/x/my.config", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return on
}

// On top of a .config of the user's, what is for tinyconfig alone is left out, and the text
// differs with the contents of the .config.
func TestOn(t *testing.T) {
	c, err := Parse("f", []byte("CONFIG_A=y\n#if-tinyconfig\n# CONFIG_VT is not set\n#if-defined C\nCONFIG_C=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Bytes()), "CONFIG_A=y\n# CONFIG_VT is not set\n#if-defined C\nCONFIG_C=y\n"; got != want {
		t.Errorf("on top of tinyconfig: %q, want %q", got, want)
	}
	on := onTop(t, c, "CONFIG_VT=y\n")
	first, rest, _ := strings.Cut(string(on.Bytes()), "\n")
	if !strings.HasPrefix(first, "# on top of my.config, SHA-256 ") || rest != "CONFIG_A=y\n#if-defined C\nCONFIG_C=y\n" {
		t.Errorf("on top of a .config: %q", on.Bytes())
	}
	if other := onTop(t, c, "CONFIG_VT=m\n"); string(other.Bytes()) == string(on.Bytes()) {
		t.Error("another .config has the same text")
	}
	if merged := on.Merge(c); merged.Start == nil || string(merged.Start.Text) != "CONFIG_VT=y\n" {
		t.Errorf("Merge lost the .config: %v", merged.Start)
	}
	if _, err := c.On(Start{File: "/x/vmlinux", Text: []byte("# CONFIG_A is not set\n\x7fELF")}); err == nil || !strings.Contains(err.Error(), "/x/vmlinux sets no option") {
		t.Errorf("a file that is no .config: %v", err)
	}
	for text, want := range map[string]string{
		"#if-tinyconfig":                              "has no option below it",
		"#if-tinyconfig\n\nCONFIG_A=y":                "has to be followed by an option",
		"#if-tinyconfig\n#if-defined A\nCONFIG_A=y\n": "is not \"#if-defined SYMBOL\"",
		"#if-defined A\n#if-tinyconfig\nCONFIG_A=y\n": "has to be followed by an option",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// What Kconfig made of the user's own options is listed, but for what is requested and what
// the tools tell.
func TestReplaced(t *testing.T) {
	c := onTop(t, Config{Options: []Option{{Name: "CONFIG_VT", Value: "n"}}},
		"CONFIG_VT=y\nCONFIG_GONE=m\nCONFIG_SAME=y\r\n# CONFIG_OFF is not set\nCONFIG_NR=8\nCONFIG_GCC_VERSION=130000\n")
	var got []string
	for _, l := range c.Replaced([]byte("CONFIG_SAME=y\nCONFIG_OFF=y\nCONFIG_NR=64\nCONFIG_GCC_VERSION=120200\n")) {
		got = append(got, l.String()+" "+l.Got)
	}
	if want := "CONFIG_GONE=m n, CONFIG_NR=8 64"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if all := (Config{}).Replaced([]byte("CONFIG_A=y\n")); all != nil {
		t.Errorf("without a .config of the user's: %v", all)
	}
}

// What is known of a .config before it is made: what is requested has the last word.
func TestLines(t *testing.T) {
	c, err := Parse("f", []byte("# CONFIG_A is not set\nCONFIG_B=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Lines(), []string{"# CONFIG_A is not set", "CONFIG_B=y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	on := onTop(t, c, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_C=y\r\n# CONFIG_D is not set\n# a comment\n")
	if got, want := on.Lines(), []string{"# CONFIG_A is not set", "# CONFIG_D is not set", "CONFIG_B=y", "CONFIG_C=y"}; !slices.Equal(got, want) {
		t.Errorf("on top of a .config: got %q, want %q", got, want)
	}
}

// A kernel that the user has built for a machine of his own is not refused for options that neither
// a guest nor the judge needs.
func TestFullNeeds(t *testing.T) {
	c, err := Load("base.config", "x86_64.config", "timens.config", "clone3.config")
	if err != nil {
		t.Fatal(err)
	}
	full := c.Full()
	all := make(map[string]bool) // defined by the tree
	for _, o := range c.Options {
		all[o.IfDefined] = true
	}
	distribution := `CONFIG_LOCALVERSION="-mine"
CONFIG_LOCALVERSION_AUTO=y
CONFIG_DEFAULT_HOSTNAME="(none)"
CONFIG_RD_GZIP=y
CONFIG_RD_BZIP2=y
CONFIG_RD_LZMA=y
CONFIG_RD_XZ=y
CONFIG_RD_LZO=y
CONFIG_RD_LZ4=y
CONFIG_RD_ZSTD=y
CONFIG_LOG_BUF_SHIFT=17
CONFIG_UNWINDER_ORC=y
CONFIG_UNWINDER_FRAME_POINTER=n
CONFIG_NR_CPUS=512
CONFIG_SERIAL_8250_NR_UARTS=32
CONFIG_VT=y
CONFIG_WIRELESS=y
`
	if err := full.Verify(append(c.Bytes(), distribution...), all); err != nil {
		t.Error(err)
	}
	for _, needed := range []string{"CONFIG_IKCONFIG_PROC=n", "CONFIG_SERIAL_8250_RUNTIME_UARTS=1", "CONFIG_PVH=n", "CONFIG_HZ_250=n"} {
		if err := full.Verify(append(c.Bytes(), needed...), all); err == nil {
			t.Errorf("%s was accepted", needed)
		}
	}
}
