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

// What tells most of an output, where there is much of it, little, or something else.
func TestTellingOf(t *testing.T) {
	run := func(name string) string { return marker + "=== RUN   " + name + "\n" }
	end := func(result, name string) string { return marker + "--- " + result + ": " + name + " (0.00s)\n" }
	long := strings.Repeat("long ", 40) + "end"
	for name, tc := range map[string]struct {
		output string
		want   []string
	}{
		"a panic in no test":            {"    a_test.go:1: x\npanic: y\nmore\n", []string{"panic: y"}},
		"a fatal error":                 {"    a_test.go:1: x\nfatal error: all goroutines are asleep\n\t/a/b_test.go:7 +0x1\n", []string{"fatal error: all goroutines are asleep, at b_test.go:7"}},
		"a long panic":                  {"panic: " + long + "\n", []string{short("panic: " + long)}},
		"a long panic in a test":        {"panic: " + long + "\n\t/a/b_test.go:7 +0x1\n", []string{short("panic: " + long + ", at b_test.go:7")}},
		"out of time":                   {"    a_test.go:1: x\nSIGQUIT: quit\n\t/a/b_test.go:7 +0x1\n", []string{"a_test.go:1: x", "it was at b_test.go:7"}},
		"out of time, after many lines": {"    a_test.go:1: x\n    a_test.go:2: y\n    a_test.go:3: z\nSIGQUIT: quit\n\t/a/b_test.go:7 +0x1\n", []string{"a_test.go:1: x", "a_test.go:3: z"}},
		"two long lines":                {"    a_test.go:1: " + long + "\n    a_test.go:2: " + long + "\n", []string{short("a_test.go:1: " + long), short("a_test.go:2: " + long)}},
		"a line that quotes a result":   {"    a_test.go:1: got --- FAIL: x (\n", []string{"a_test.go:1: got --- FAIL: x ("}},
		"without marks":                 {"said\n=== RUN   TestA\nPASS\n", []string{"said"}},
		"with marks":                    {"said\n" + run("TestA") + marker + "PASS\n", []string{"said"}},
		"ends of lines":                 {"  said \r\n \t\r\nPASS\r\n", []string{"said"}},
		"nothing":                       {"", nil},
		"a subtest that was skipped":    {run("TestA") + run("TestA/x") + "    a_test.go:1: no\n" + end("SKIP", "TestA/x") + run("TestA/y") + "    a_test.go:2: y\n" + end("FAIL", "TestA/y"), []string{"a_test.go:2: y"}},
		// None of these lines begins another test.
		"an attribute":   {run("TestA/x") + marker + "=== ATTR  TestA k v\n    a_test.go:1: x\n" + end("PASS", "TestA/x") + "said\n", []string{"said"}},
		"another PASS":   {run("TestA/x") + "PASS\n    a_test.go:1: x\n" + end("PASS", "TestA/x") + "said\n", []string{"said"}},
		"no name":        {run("TestA/x") + marker + "=== NAME  \n    a_test.go:1: x\n" + end("PASS", "TestA/x") + "said\n", []string{"said"}},
		"another result": {run("TestA/x") + end("PASS", "TestA/y") + "    a_test.go:1: x\n" + end("PASS", "TestA/x") + "said\n", []string{"said"}},
	} {
		if got := telling(tc.output); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	for n, want := range map[int]int{maxTelling - 1: maxTelling - 1, maxTelling: maxTelling, maxTelling + 1: maxTelling, 1000: maxTelling} {
		line := strings.Repeat("a", n-1) + "b"
		if got := short(line); len(got) != want || (got == line) != (n <= maxTelling) || !strings.HasSuffix(got, "b") {
			t.Errorf("a line of %d characters became %q", n, got)
		}
	}
}
