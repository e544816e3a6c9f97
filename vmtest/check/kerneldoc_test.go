// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

// A python3 on PATH that does not work, such as a shim of pyenv in the sandbox, is skipped.
func TestInterpreterOfScript(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"perl-doc":      "#!/usr/bin/env perl\n",
		"python-doc":    "#!/usr/bin/env python3\n",
		"shims/python3": "#!/bin/sh\nexit 127\n",
		"works/python3": "#!/bin/sh\necho Python 3.11\n",
	})
	shims, works := filepath.Join(dir, "shims"), filepath.Join(dir, "works")
	for _, file := range []string{shims, works} {
		if err := os.Chmod(filepath.Join(file, "python3"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(dir, "python-doc")
	for name, c := range map[string]struct {
		script, path string
		want         []string
	}{
		"perl":   {filepath.Join(dir, "perl-doc"), shims, []string{filepath.Join(dir, "perl-doc")}},
		"python": {script, dir + ":" + shims + ":" + works, []string{filepath.Join(works, "python3"), script}},
		"none":   {script, shims, nil},
	} {
		t.Setenv("PATH", c.path)
		got, err := commandOf(t.Context(), sandbox.Box{}, sandbox.Place{Dir: dir}, c.script)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "apt-get install python3") {
			t.Errorf("%s: %v does not say what to type", name, err)
		}
	}
}
