// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"timens-vmtest/internal/retest"
)

// annotation is an entry of REUSE.toml: the licence of files that cannot carry
// an SPDX line.
type annotation struct {
	Path      any    // a string, or several
	Copyright string `toml:"SPDX-FileCopyrightText"`
	License   string `toml:"SPDX-License-Identifier"`
}

// demanded is the licence that a kind of file must have. Of several kinds that
// match a file, the last one counts. Files of no kind may have any licence of
// LICENSES.
var demanded = []struct{ path, license string }{
	// The guest's programs link modules under Apache-2.0, which the GPL-2.0 does
	// not allow.
	{"**.go", "BSD-3-Clause"},
	{"**.s", "BSD-3-Clause"},
	// They derive from the kernel.
	{"**.patch", "GPL-2.0-only"},
	{"tests/mutants/list/**", "GPL-2.0-only"},
	// They derive from libcrun.
	{"tests/clients/crun/*.patch", "LGPL-2.1-or-later"},
}

var spdxLine = regexp.MustCompile(`(?m)^(?://|#|/\*|\{\{- /\*) SPDX-License-Identifier: (.+?)(?: \*/.*)?$`)

// matches says whether a path fits a pattern of REUSE.toml: "*" stands for what
// has no slash, "**" for anything.
func matches(pattern, path string) bool {
	re := regexp.QuoteMeta(pattern)
	re = strings.ReplaceAll(re, `\*\*`, `.*`)
	re = strings.ReplaceAll(re, `\*`, `[^/]*`)
	return regexp.MustCompile("^(?s:" + re + ")$").MatchString(path)
}

// patterns returns an annotation's paths.
func (a annotation) patterns() []string {
	switch path := a.Path.(type) {
	case string:
		return []string{path}
	case []any:
		var all []string
		for _, one := range path {
			all = append(all, fmt.Sprint(one))
		}
		return all
	}
	return nil
}

// licenseOf returns the licence of a file whose content begins with head, by its
// SPDX line or by the last annotation that matches.
func licenseOf(path, head string, table []annotation) (string, error) {
	listed := ""
	for _, a := range table {
		if slices.ContainsFunc(a.patterns(), func(p string) bool { return matches(p, path) }) {
			listed = a.License
		}
	}
	lines := strings.SplitN(head, "\n", 4)
	own := spdxLine.FindStringSubmatch(strings.Join(lines[:min(3, len(lines))], "\n"))
	license := listed
	if own != nil {
		license = own[1]
	}
	switch {
	case license == "":
		return "", fmt.Errorf("%s has no SPDX-License-Identifier in its first three lines and no entry in REUSE.toml", path)
	case listed != "" && listed != license:
		return "", fmt.Errorf("%s says %s, and REUSE.toml says %s", path, license, listed)
	case own != nil && strings.HasSuffix(path, ".go") && !strings.HasPrefix(head, own[0]+"\n\n"):
		return "", fmt.Errorf("%s must begin with %q and an empty line, or the line becomes part of the package's documentation", path, own[0])
	}
	must := license
	for _, d := range demanded {
		if matches(d.path, path) {
			must = d.license
		}
	}
	if license != must {
		return "", fmt.Errorf("%s is under %s, and must be under %s", path, license, must)
	}
	return license, nil
}

// trackedFiles returns the files that git knows and that are there.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "-C", "..", "ls-files", "-z")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v; run the tests in a git checkout", err)
	}
	var all []string
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join("..", path)); err == nil {
			all = append(all, path)
		}
	}
	if len(all) < 100 {
		t.Fatalf("git ls-files lists only %d files", len(all))
	}
	return all
}

// TestEveryFileHasALicense demands an SPDX line or an entry in REUSE.toml of
// every file, and the text of each licence.
func TestEveryFileHasALicense(t *testing.T) {
	var reuse struct {
		Version     int
		Annotations []annotation
	}
	meta, err := toml.DecodeFile("../REUSE.toml", &reuse)
	if err != nil || len(meta.Undecoded()) > 0 {
		t.Fatalf("REUSE.toml: %v; unknown keys: %v", err, meta.Undecoded())
	}
	files := trackedFiles(t)
	used := make(map[string]bool)
	for _, path := range files {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		license, err := licenseOf(path, string(text), reuse.Annotations)
		if err != nil {
			t.Error(err)
			continue
		}
		used["../LICENSES/"+license+".txt"] = true
	}
	for _, a := range reuse.Annotations {
		for _, p := range a.patterns() {
			if !slices.ContainsFunc(files, func(path string) bool { return matches(p, path) }) {
				t.Errorf("REUSE.toml: %s matches no file", p)
			}
		}
		if len(a.patterns()) == 0 || a.Copyright == "" {
			t.Errorf("REUSE.toml: %+v lacks a path or SPDX-FileCopyrightText", a)
		}
	}
	texts, err := filepath.Glob("../LICENSES/*")
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(used)); !slices.Equal(texts, want) {
		t.Errorf("LICENSES has %v, and the files have %v", texts, want)
	}
}

func TestLicenseOf(t *testing.T) {
	const bsd, gpl = "SPDX-License-Identifier: BSD-3-Clause\n", "SPDX-License-Identifier: GPL-2.0-only\n"
	table := []annotation{
		{Path: "**", Copyright: "all"},
		{Path: "**.patch", License: "GPL-2.0-only"},
		{Path: []any{"a/*.txt", "b/**"}, License: "BSD-3-Clause"},
		{Path: "b/own", License: "GPL-2.0-only"},
	}
	for _, c := range []struct{ path, head, want, err string }{
		{"x.go", "// " + bsd + "\npackage x\n", "BSD-3-Clause", ""},
		{"x.go", "// " + bsd + "\n//go:build linux\n\npackage x\n", "BSD-3-Clause", ""},
		{"x.go", "package x\n", "", "no SPDX"},
		{"x.go", "// " + bsd + "package x\n", "", "package's documentation"},
		{"x.go", "\n// " + bsd + "\npackage x\n", "", "must begin"},
		{"x.go", "// " + gpl + "\npackage x\n", "", "must be under BSD-3-Clause"},
		{"x.go", "package x\n\nconst text = `\n// " + bsd + "`\n", "", "no SPDX"},
		{"run", "#!/bin/sh\n# " + bsd, "BSD-3-Clause", ""},
		{"run", "#!/bin/sh\n", "", "no SPDX"},
		{"x.patch", "From 0\n", "GPL-2.0-only", ""},
		{"x.go", "// " + bsd, "", "must begin"},
		{"b/x.patch", "From 0\n", "", "must be under GPL-2.0-only"},
		{"x.patch", "# " + bsd, "", "REUSE.toml says GPL-2.0-only"},
		{"a/x.txt", "", "BSD-3-Clause", ""},
		{"a/b/x.txt", "", "", "no SPDX"},
		{"b/c/d", "", "BSD-3-Clause", ""},
		{"b/own", "", "GPL-2.0-only", ""},
	} {
		got, err := licenseOf(c.path, c.head, table)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %q: got %q, %v, want %q, %q", c.path, c.head, got, err, c.want, c.err)
		}
	}
}

// TestModulesHaveALicense demands that LICENSE.md names the licence of every
// module that is linked into a program of ours, and of no other.
func TestModulesHaveALicense(t *testing.T) {
	text, err := os.ReadFile("../LICENSE.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [A-Z].* \\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
	}
	retest.IfChanged(t, "..", "*.go", "go.mod")
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./...", "tool")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := slices.Compact(slices.Sorted(slices.Values(strings.Fields(string(out)))))
	if len(linked) == 0 || !slices.Equal(listed, linked) {
		t.Errorf("LICENSE.md has the modules\n%s\nand the programs have\n%s", strings.Join(listed, "\n"), strings.Join(linked, "\n"))
	}
}
