// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"strings"
	"testing"

	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// A check without a verdict prints its matrix and no last line. Control characters of a
// guest are not printed.
func TestChecked(t *testing.T) {
	matrix := func(a several.Answer) several.Matrix {
		return several.Matrix{Steps: []string{"form"}, Patches: []several.CheckedPatch{{Name: "1.patch", Subject: "one", Cells: []several.Cell{{Answer: a, Fault: "bad"}}}}}
	}
	const head = "series s on linux-6.12\npatch  form\n"
	for name, tc := range map[string]struct {
		c    several.Checked
		want string
	}{
		"pass": {several.Checked{Series: "s", Base: "6.12", Matrix: matrix(several.Faultless), TookS: 1.25},
			head + "1/1    ok  one\ncheck    pass (1 patches, 1.2 s)\n"},
		"fail": {several.Checked{Series: "s", Base: "6.12", Matrix: matrix(several.Faulty), TookS: 2},
			head + "1/1    FAIL  one\n1.patch: form: bad\ncheck    fail: 1/1 one, at form (2.0 s)\n"},
		"trouble": {several.Checked{Series: "s", Base: "6.12", Matrix: matrix(several.Unasked), Trouble: &verdict.Trouble{Text: "why"}},
			head + "1/1    -  one\n"},
		"nothing known": {several.Checked{Trouble: &verdict.Trouble{Text: "why"}}, "series (unknown) on linux-(unknown)\npatch  \n"},
	} {
		var b strings.Builder
		if err := Checked(&b, tc.c); err != nil || b.String() != tc.want {
			t.Errorf("%s: got %q, %v, want %q", name, b.String(), err, tc.want)
		}
	}
	var b strings.Builder
	Trouble(&b, "judge", "", verdict.Trouble{Text: "a \x1b[2J\nb"})
	if want := "vmtest judge: series (unknown), a [2J\nb\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
