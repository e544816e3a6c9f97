// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"os"
	"path/filepath"
	"testing"
)

var kconfigTree = map[string]string{
	"Kconfig": `mainmenu "Test"
config MODULES
	bool "Modules"
	modules
config PLAIN
	bool "Plain"
	depends on NET && INET
	help
	  depends on NOTHING
	  config NOTHING
config HIDDEN
	bool
	default y
config EXPERTS
	bool "For experts" if EXPERT
	default y
menuconfig CHOOSER
	bool "Chooser"
	select EXPERTS if PLAIN
	select LIBRARY
config LIBRARY
	tristate
config USES_LIBRARY
	bool "Uses" # a comment
	depends on LIBRARY
source "sub/Kconfig"
source "arch/$(SRCARCH)/Kconfig"
osource "nowhere/Kconfig"
`,
	"sub/Kconfig": `menu "Net"
	depends on ROOT
config NET
	tristate "Net"
endmenu
if NET
config INET
	bool "Inet"
	depends on (A || !B) \
		&& $(cc-option,-fplugin)
endif # NET
config ROOT
	bool "Root"
config B
	bool "B"
config DRIVER
	tristate "Driver"
config LOG
	int "Log"
	range 5 10 if B
	range 12 25
config MASK
	hex "Mask"
	range 0 0xff
choice
	prompt "Which"
	default ONE
config ONE
	bool "One"
config TWO
	bool "Two"
endchoice
config NEEDS_LOG
	bool "Log"
	depends on LOG >= 14 && !B && MISSING_SYMBOL
`,
	"arch/x86/Kconfig":   "config BITS\n\tbool \"64\" if \"$(ARCH)\" = \"x86\"\n\tdefault y\nconfig X86_THING\n\tbool \"X\"\n",
	"arch/arm64/Kconfig": "if ARM64\n\tconfig ARM64_THING\n\tbool \"X\"\nendif\n",
}

func TestHints(t *testing.T) {
	tree := t.TempDir()
	for name, text := range kconfigTree {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(tree, name), text)
	}
	for _, tc := range []struct{ config, name, wanted, got, want string }{
		{"", "PLAIN", "y", "n", "depends on NET && INET (Kconfig:7), but NET is n, INET is n; NET depends on ROOT (sub/Kconfig:2), but ROOT is n; ROOT can be set: also ask for CONFIG_ROOT=y; INET depends on NET (sub/Kconfig:6), but NET is n"},
		{"CONFIG_ROOT=y\nCONFIG_NET=y\nCONFIG_B=y\n", "PLAIN", "y", "n", "depends on NET && INET (Kconfig:7), but INET is n; INET depends on (A || !B) && $(cc-option,-fplugin) (sub/Kconfig:9), but (A || !B) is not met; A is defined by no Kconfig file of this architecture"},
		{"CONFIG_ROOT=y\nCONFIG_NET=y\n", "PLAIN", "y", "n", "depends on NET && INET (Kconfig:7), but INET is n; INET can be set: also ask for CONFIG_INET=y"},
		{"CONFIG_ROOT=y\nCONFIG_NET=m\n", "INET", "y", "n", ""}, // a bool may depend on m
		{"CONFIG_HIDDEN=y\n", "HIDDEN", "n", "y", "has no prompt, so only a select or its default can set it"},
		{"CONFIG_CHOOSER=y\nCONFIG_EXPERTS=y\n", "EXPERTS", "n", "y", "CHOOSER, which is y, selects it (Kconfig:19); can be chosen only if EXPERT (Kconfig:15), but EXPERT is n"},
		{"CONFIG_EXPERTS=y\n", "EXPERTS", "n", "y", "can be chosen only if EXPERT (Kconfig:15), but EXPERT is n"},
		{"", "LIBRARY", "y", "n", "has no prompt, so only a select or its default can set it; it is selected by CHOOSER (Kconfig:20)"},
		{"", "USES_LIBRARY", "y", "n", "depends on LIBRARY (Kconfig:25), but LIBRARY is n; LIBRARY has no prompt, so only a select or its default can set it; it is selected by CHOOSER (Kconfig:20)"},
		{"", "CHOOSER", "y", "n", ""},
		{"CONFIG_DRIVER=y\n", "DRIVER", "m", "y", "cannot be m, because MODULES is n: ask for y, or also ask for CONFIG_MODULES=y"},
		{"", "DRIVER", "m", "n", "cannot be m, because MODULES is n: ask for y, or also ask for CONFIG_MODULES=y"},
		{"CONFIG_MODULES=y\n", "DRIVER", "m", "n", ""},
		{"CONFIG_B=y\n", "B", "m", "y", "is a bool, which cannot be m: ask for y"},
		{"CONFIG_LOG=25\n", "LOG", "30", "25", "must be from 12 to 25 (sub/Kconfig:21), not 30"},
		{"CONFIG_B=y\nCONFIG_LOG=10\n", "LOG", "12", "10", "must be from 5 to 10 (sub/Kconfig:20), not 12"},
		{"CONFIG_LOG=12\n", "LOG", "13", "12", ""},
		{"CONFIG_MASK=0x0\n", "MASK", "0x100", "0x0", "must be from 0 to 0xff (sub/Kconfig:24), not 0x100"},
		{"CONFIG_ONE=y\n", "TWO", "y", "n", "belongs to a choice (sub/Kconfig:25) of which only one member can be set, and ONE is set: do not ask for CONFIG_ONE"},
		{"CONFIG_LOG=12\nCONFIG_B=y\n", "NEEDS_LOG", "y", "n", "depends on LOG >= 14 && !B && MISSING_SYMBOL (sub/Kconfig:35), but LOG is 12, B is y, MISSING_SYMBOL is n; MISSING_SYMBOL is defined by no Kconfig file of this architecture"},
		{"CONFIG_BITS=y\n", "BITS", "n", "y", ""}, // the value of "$(ARCH)" is unknown
		{"", "ARM64_THING", "y", "n", "is an option of another architecture (arch/arm64/Kconfig:2), but this kernel is for x86"},
		{"", "CHOSER", "y", "n", "is defined by no Kconfig file of this tree: is it misspelt, renamed, or added by a patch that is missing? The nearest name is CONFIG_CHOOSER"},
		{"", "NOTHING", "y", "n", "is defined by no Kconfig file of this tree: is it misspelt, renamed, or added by a patch that is missing?"},
		{"", "X86_THNG", "y", "n", "is defined by no Kconfig file of this tree: is it misspelt, renamed, or added by a patch that is missing? The nearest name is CONFIG_X86_THING"},
	} {
		lost := []Lost{{Option: Option{Name: "CONFIG_" + tc.name, Value: tc.wanted}, Got: tc.got}}
		if got := Hints(tree, []byte(tc.config), lost); got[0] != tc.want {
			t.Errorf("%s=%s with %q:\ngot  %s\nwant %s", tc.name, tc.wanted, tc.config, got[0], tc.want)
		}
	}
}

// Whatever the Kconfig files of a series contain, the reader stays in the tree and ends.
func TestHintsOfOddFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "Kconfig")
	write(t, secret, "config SECRET\n\tbool \"s3cret\"\n")
	for name, text := range map[string]string{
		"outside": "source \"../" + filepath.Base(filepath.Dir(secret)) + "/Kconfig\"\n",
		"loop":    "config A\n\tbool \"A\"\n\tdepends on B\nconfig B\n\tbool \"B\"\n\tdepends on A\nsource \"Kconfig\"\n",
		"ends":    "endif\nendmenu\n\tdepends on X\nconfig\nchoice\n",
	} {
		tree := t.TempDir()
		write(t, filepath.Join(tree, "Kconfig"), text)
		for _, option := range []string{"CONFIG_A", "CONFIG_SECRET"} {
			if got := Hints(tree, nil, []Lost{{Option: Option{Name: option, Value: "y"}, Got: "n"}}); got[0] == "" {
				t.Errorf("%s: no hint for %s", name, option)
			}
		}
	}
}

func FuzzExpr(f *testing.F) {
	f.Add("A && (B || !C) && D >= 0x10 && $(cc-option,(x))")
	f.Add(`A = "x" || !!m`)
	f.Fuzz(func(t *testing.T, text string) {
		n := parseExpr(text)
		v := values{"A": "y"}
		if got := v.eval(n); got != unknown && got < on != (len(v.unmet(n, on)) > 0) {
			t.Errorf("%q is %d, but its unmet parts are %v", text, got, v.unmet(n, on))
		}
	})
}

func TestEval(t *testing.T) {
	v := values{"Y": "y", "M": "m", "N10": "10", "S": `"text"`}
	for text, want := range map[string]int{
		"Y": on, "M": module, "NONE": off, "!M": module, "!NONE": on, "Y && M": module, "NONE || M": module,
		"$(x) && M": unknown, "$(x) && NONE": off, "$(x) || M": unknown, "$(x) || Y": on, "!$(x)": unknown,
		"N10 >= 9": on, "N10 < 0x9": off, `S = "text"`: on, "S != text": on, "M = m": on, "M=y": off,
		"NONE || Y && NONE": off, "(Y || NONE) && !NONE": on,
		"Y &&": unknown, "(Y": unknown, "Y Y": unknown, "": unknown,
	} {
		if got := v.eval(parseExpr(text)); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}
