// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	long := "begin" + strings.Repeat("x", 1<<20) + "end"
	for text, want := range map[string]string{
		"":              "",
		"one\n\n":       "one",
		"one\ntwo\nthr": "two\nthr",
		"a\nb\n" + long: "b\nbegin" + strings.Repeat("x", 495) + "[... 1047584 bytes ...]" + strings.Repeat("x", 497) + "end",
	} {
		if got := Tail([]byte(text), 2); got != want {
			t.Errorf("%.20q: got %d bytes, want %d: %.2000q", text, len(got), len(want), got)
		}
	}
}

// A program in Python, as the kernel has some, changes nothing in the folder that it is in.
func TestPythonLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"module.py": "", "main.py": "import module\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Run(Command(t.Context(), dir, nil, "python3", "main.py")); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v; want the two files", entries, err)
	}
}
