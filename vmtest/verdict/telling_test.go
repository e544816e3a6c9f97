// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

func TestTelling(t *testing.T) {
	const dump = "\ngoroutine 7 [running]:\ntesting.tRunner()\n\ttesting/testing.go:2036 +0xea\np.TestA()\n\tp/a_test.go:36 +0x25\n"
	run := marker + "=== RUN   TestA\n"
	result := func(word, name string) string { return fmt.Sprintf("%s--- %s: %s (0.00s)\n", marker, word, name) }
	fail := result("FAIL", "TestA") + marker + "FAIL\n"
	long := strings.Repeat("ä", 300) + "want 1"
	for name, tc := range map[string]struct {
		output string
		want   []string
	}{
		"t.Fatal":           {run + "    a_test.go:12: got 1, want 2\n" + fail, []string{"a_test.go:12: got 1, want 2"}},
		"several t.Error":   {run + "    a_test.go:1: x\n    a_test.go:2: y\n    a_test.go:3: z\n" + fail, []string{"a_test.go:1: x", "a_test.go:3: z"}},
		"text over lines":   {run + "    a_test.go:1: first\n        second\n" + fail, []string{"a_test.go:1: first"}},
		"a helper's file":   {run + "    clock.go:9: x\n" + fail, []string{"clock.go:9: x"}},
		"panic":             {run + fail + "panic: on purpose [recovered, repanicked]\n" + dump, []string{"panic: on purpose [recovered, repanicked], at a_test.go:36"}},
		"panic after error": {run + "    a_test.go:1: x\npanic: y\n" + dump, []string{"panic: y, at a_test.go:36"}},
		"panic of no test":  {run + "fatal error: all goroutines are asleep - deadlock!\n", []string{"fatal error: all goroutines are asleep - deadlock!"}},
		"hung":              {run + "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n" + dump, []string{"it was at a_test.go:36"}},
		"hung after a line": {run + "    a_test.go:1: x\nSIGQUIT: quit\n" + dump, []string{"a_test.go:1: x", "it was at a_test.go:36"}},
		"exit without word": {run + "    \nclone3: no such thing\r\n\n", []string{"clone3: no such thing"}},
		"nothing but frame": {run + fail, nil},
		"nothing":           {"", nil},
		"too long":          {run + "    a_test.go:1: " + long + "\n" + fail, []string{"a_test.go:1: " + strings.Repeat("ä", maxTelling/2-len("a_test.go:1:  ... ")) + " ... " + strings.Repeat("ä", maxTelling/2-len("want 1")) + "want 1"}},
		"subtest that passed": {
			run + marker + "=== RUN   TestA/b\n    a_test.go:1: fine\n" + marker + "=== RUN   TestA/c\n    a_test.go:2: bad\n" +
				marker + "=== NAME  TestA/b\n    a_test.go:3: fine, too\n" + marker + "=== NAME  TestA\n" +
				result("FAIL", "TestA") + result("PASS", "TestA/b") + result("FAIL", "TestA/c"),
			[]string{"a_test.go:2: bad"},
		},
		"attribute on the way": {run + marker + "=== ATTR  TestA lateness_s 1\n    a_test.go:1: x\n" + fail, []string{"a_test.go:1: x"}},
	} {
		if got := telling(tc.output); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// If the kernel died during a test, the telling line is the kernel's.
func TestTellingOfTheKernel(t *testing.T) {
	e := twoBoots()
	panicked := strings.Replace(greenConsole, "[    1.5", "[    1.2] Kernel panic - not syncing: on purpose\n[    1.5", 1)
	e.Lanes[0].Boots[0].Console = []byte(panicked)
	r := Judge(e)
	if got, want := r.Lanes[0].Tests[0].Telling, []string{"Kernel panic - not syncing: on purpose"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := r.Lanes[0].Tests[1].Telling; got != nil {
		t.Errorf("%q tells of a test that passed", got)
	}
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Test != "" })
	if i < 0 || r.Findings[i].Test != "p.TestA" || r.Findings[i].Lane != "real" {
		t.Errorf("got %+v, want one that is about p.TestA", r.Findings)
	}
}

// If the guest left out a part of an output, a note is in its place.
func TestOutputWithAGap(t *testing.T) {
	records := testRecords{started: true, end: &wire.End{Exit: 1, Dropped: 77}}
	records.output = slices.Concat([]byte(strings.Repeat("x", wire.OutputLimit)), []byte("tail\n"), resultLine("FAIL", testA))
	got := judgeTest(testA.Name, &records, wire.Exit{}).Output
	if !strings.HasSuffix(got, "xxx\n[vmtest: 77 bytes are left out here]\ntail\n--- FAIL: TestA (0.00s)\n") {
		t.Errorf("got %q", got[wire.OutputLimit-5:])
	}
}

func FuzzTelling(f *testing.F) {
	f.Add(marker + "=== RUN   TestA\n    a_test.go:12: x\npanic: y\n")
	f.Fuzz(func(t *testing.T, output string) {
		for _, line := range telling(output) {
			if len([]rune(line)) > maxTelling || strings.Contains(line, "\n") {
				t.Errorf("got %q", line)
			}
		}
	})
}
