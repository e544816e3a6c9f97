// SPDX-License-Identifier: BSD-3-Clause

package symbols

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// object compiles C code, with debug information.
func object(t *testing.T, text string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, made := filepath.Join(dir, "o.c"), filepath.Join(dir, "o.o")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O2", "-ffile-prefix-map="+dir+"=", "-c", "-o", made, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestSameObject(t *testing.T) {
	const text = "int g(int); int table[] = { 1 }; int space[4]; int f(int a) { return a + g(table[0]); }\n"
	first := object(t, text)
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"the same":              {text, true},
		"other lines":           {"\n\n" + text, true},
		"another local name":    {"int g(int); int table[] = { 1 }; int space[4]; int f(int other) { return other + g(table[0]); }\n", true},
		"other code":            {"int g(int); int table[] = { 1 }; int space[4]; int f(int a) { return a - g(table[0]); }\n", false},
		"other data":            {"int g(int); int table[] = { 2 }; int space[4]; int f(int a) { return a + g(table[0]); }\n", false},
		"another function":      {"int h(int); int table[] = { 1 }; int space[4]; int f(int a) { return a + h(table[0]); }\n", false},
		"more space":            {"int g(int); int table[] = { 1 }; int space[5]; int f(int a) { return a + g(table[0]); }\n", false},
		"one function more":     {text + "int k(void) { return 0; }\n", false},
		"one section more":      {text + "int k __attribute__((section(\".other\"))) = 1;\n", false},
		"another symbol's name": {"int g(int); int other[] = { 1 }; int space[4]; int f(int a) { return a + g(other[0]); }\n", false},
	} {
		if same, err := SameObject(first, object(t, c.text)); err != nil || same != c.same {
			t.Errorf("%s: %v, %v, want %v", name, same, err, c.same)
		}
	}
	for _, pair := range [][2][]byte{{nil, first}, {first, nil}} {
		if same, err := SameObject(pair[0], pair[1]); err == nil || same {
			t.Errorf("an empty object is the same: %v, %v", same, err)
		}
	}
}
