// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// broken returns the result of a test that fails with one line.
func broken(pkg, name, line string) verdict.TestResult {
	return verdict.TestResult{
		TestID: wire.TestID{Package: pkg, Name: name}, Status: verdict.Fail, Expected: verdict.Pass, DurationS: 0.5,
		Output:  fmt.Sprintf("=== RUN   %[1]s\n    %[2]s\n--- FAIL: %[1]s (0.50s)\nFAIL\n", name, line),
		Telling: []string{line},
	}
}

// judged returns a run with these lanes, and a finding for each test that is not as
// expected.
func judged(of verdict.Run, lanes ...verdict.LaneResult) verdict.Result {
	r := verdict.Result{Verdict: verdict.Failed, Run: of, Lanes: lanes}
	for _, l := range lanes {
		for _, t := range l.Tests {
			if !t.AsExpected() {
				text := fmt.Sprintf("%s: %s, expected %s", t.TestID, t.Status, t.Expected)
				r.Findings = append(r.Findings, verdict.Finding{Verdict: verdict.Failed, Lane: l.Lane, Text: text, Test: t.TestID.String()})
			}
		}
	}
	return r
}

// many returns a run of a checkout with more failures than fit on a screen. In one test the
// lanes fail with different lines.
func many() verdict.Result {
	of := run
	of.Origin = "commit 0123456789ab with changes that are not committed (files: 1, the first is kernel/fork.c)"
	of.Tree = &verdict.Tree{Path: "/home/ann/linux", Commit: "0123456789abcdef0123456789abcdef01234567", NotCommitted: "not-committed.patch"}
	of.Extra = []string{"wrong.patch", "0002-more.patch"}
	one := verdict.LaneResult{Lane: "real", Accel: "tcg", BootS: 1, DurationS: 9, WaitedS: 7.5}
	two := verdict.LaneResult{Lane: "virtual", Accel: "tcg", BootS: 1, DurationS: 9}
	for i := range 14 {
		name := fmt.Sprintf("Test%c", 'A'+i)
		one.Tests = append(one.Tests, broken("p", name, "b_test.go:7: got 1, want 2"))
		two.Tests = append(two.Tests, broken("p", name, "b_test.go:7: got 1, want 2"))
	}
	two.Tests[1] = broken("p", "TestB", "b_test.go:7: got 3, want 2")
	two.Tests = append(two.Tests, broken("p/386", "TestA", "b_test.go:7: got 4, want 2"))
	return judged(of, one, two)
}

// traced returns a run with splats of several kinds. Some kinds occur more than once.
func traced() verdict.Result {
	at := func(boot, line int, test, text string, more ...string) verdict.Splat {
		return verdict.Splat{Boot: boot, Line: line, Test: test, Text: text, More: append([]string{text}, more...)}
	}
	warn := []string{
		"CPU: 0 UID: 0 PID: 62 Comm: timens.test Not tainted 6.12.117 #1 ", "RIP: 0010:timens_install+0xe/0x20 (kernel/time/namespace.c:301)",
		"Code: 41 5d 5d c3 48 c7 c7 b0", "RSP: 0018:ffffc900001d7dd8 EFLAGS: 00000202", "RAX: ffffffff81222f70 RBX: ffff888000b68000 RCX: 0000000000000000",
		"R10: 0000000000000001 R11: ffffffff81825a80 R12: 0000000000000007", "FS:  0000000000733928(0000) GS:ffff88801ee00000(0000) knlGS:0000000000000000",
		"CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033", "CR2: 00007f63b6065070 CR3: 0000000000b62000", "PKRU: 55555554",
		"Call Trace:", " <TASK>", " ? __warn+0x7d/0xc0 (kernel/panic.c:748)", " validate_ns+0x43/0xd0 (kernel/nsproxy.c:399)",
		" __do_sys_setns+0x56/0x80 (kernel/nsproxy.c:577)\x1b[2J", " </TASK>", "---[ end trace 0000000000000000 ]---",
	}
	var deep []string
	for i := range 50 {
		deep = append(deep, fmt.Sprintf(" f%d+0x1/0x2", i))
	}
	r := judged(run, verdict.LaneResult{
		Lane: "real", Accel: "tcg", Boots: 2, BootS: 1, DurationS: 9, Tests: []verdict.TestResult{test("TestA", verdict.Pass, verdict.Pass)},
		Splats: []verdict.Splat{
			at(1, 7, "p.TestA", "WARNING: CPU: 0 PID: 62 at kernel/time/namespace.c:301 timens_install+0xe/0x20", warn...),
			at(1, 70, "p.TestB", "WARNING: CPU: 1 PID: 63 at kernel/time/namespace.c:301 timens_install+0xe/0x20", warn...),
			{Boot: 1, Line: 90, Text: "WARNING: known", More: []string{"WARNING: known"}, Allowed: "the base has it"},
			at(2, 9, "", "BUG: KASAN: slab-use-after-free in free_timens at addr ffff8880", deep...),
			at(2, 99, "p.TestC", "kernel BUG at kernel/fork.c:1!"),
		},
	})
	r.Lanes[0].Splats[0].Near = "validate_ns (kernel/nsproxy.c:399) is 2 lines from kernel/nsproxy.c:401, which 0001-a.patch adds: if (ns <= old)"
	for _, s := range r.Lanes[0].Splats {
		if s.Allowed == "" {
			r.Findings = append(r.Findings, verdict.Finding{Verdict: verdict.Failed, Lane: "real", Text: "splat: " + s.Text})
		}
	}
	return r
}

// stopped returns a run that the user ended during a test.
func stopped() verdict.Result {
	of := run
	of.Series, of.Tree = "tree", &verdict.Tree{Path: "/home/ann/plain"}
	l := verdict.LaneResult{Lane: "real", Accel: "kvm", BootS: 1, DurationS: 2, Tests: []verdict.TestResult{test("TestA", verdict.Pass, verdict.Pass)}}
	l.Tests = append(l.Tests, verdict.TestResult{
		TestID: wire.TestID{Package: "p", Name: "TestB"}, Expected: verdict.Pass, Note: "not run to its end: the run was interrupted", Output: "=== RUN   TestB\n",
	})
	for i := range 5 {
		l.Tests = append(l.Tests, verdict.TestResult{TestID: wire.TestID{Package: "p", Name: fmt.Sprintf("Test%c", 'C'+i)}, Expected: verdict.Pass})
	}
	r := judged(of, l)
	r.Verdict, r.Findings = verdict.Unjudged, slices.Insert(r.Findings, 0, verdict.Finding{Verdict: verdict.Unjudged, Lane: "real", Text: "it was interrupted in p.TestB"})
	r.Findings[1].Text = "p.TestB: missing (not run to its end: the run was interrupted), expected pass"
	return r
}

// Each test that printed something has its own file, whatever its result is.
func TestOutputs(t *testing.T) {
	l := verdict.LaneResult{Lane: "virtual", Tests: []verdict.TestResult{
		{TestID: wire.TestID{Package: "timens", Name: "TestA"}, Status: verdict.Pass, Expected: verdict.Pass, Output: "fine\x1b[2J\n"},
		broken("timens/386", "TestA", "a_test.go:1: x"),
		{TestID: wire.TestID{Package: "timens", Name: "TestNever"}, Expected: verdict.Pass},
		{TestID: wire.TestID{Package: "../../..", Name: "TestOut"}, Status: verdict.Pass, Output: "hostile\n"},
	}}
	dir := t.TempDir()
	stale := filepath.Join(dir, "virtual", OutputDir, "timens.TestGone.txt")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, judged(run, l)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"timens.TestA.txt":     "fine[2J\n",
		"timens@386.TestA.txt": "=== RUN   TestA\n    a_test.go:1: x\n--- FAIL: TestA (0.50s)\nFAIL\n",
		"..@..@...TestOut.txt": "hostile\n",
	}
	entries, err := os.ReadDir(filepath.Dir(stale))
	if err != nil || len(entries) != len(want) {
		t.Errorf("got %v, %v, want %d files", entries, err, len(want))
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(filepath.Dir(stale), name)); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, text)
		}
	}
}

// What ftrace recorded of a test has its own file, which every report names.
func TestTraceFiles(t *testing.T) {
	one, two := broken("timens/386", "TestA", "a_test.go:1: x"), broken("timens", "TestB", "a_test.go:2: y")
	one.Trace, two.Output = "copy_time_ns();\x1b[2J\n", ""
	dir := t.TempDir()
	if err := Write(dir, judged(run, verdict.LaneResult{Lane: "real", Tests: []verdict.TestResult{one, two}}, verdict.LaneResult{Lane: "virtual", Tests: []verdict.TestResult{two}})); err != nil {
		t.Fatal(err)
	}
	const file = "real/trace/timens@386.TestA.txt"
	if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != "copy_time_ns();[2J\n" {
		t.Errorf("%s: got %q, %v", file, got, err)
	}
	for name, want := range map[string]string{
		TextFile: "      trace: " + filepath.Join(dir, file) + "\n", JSONFile: `"trace_file": "` + file + `"`, HTMLFile: "\">copy_time_ns();[2J\n</pre>\n<p><a href=\"real/trace/timens@386.TestA.txt\">all of the trace</a>",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if n := strings.Count(string(text), want); err != nil || n != 1 {
			t.Errorf("%s names the file %d times, %v; want once %s", name, n, err, want)
		}
	}
	two.Trace = ""
	if err := Write(dir, judged(run, verdict.LaneResult{Lane: "real", Tests: []verdict.TestResult{two}})); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "real", TraceDir)); !os.IsNotExist(err) {
		t.Errorf("a run without a trace has the folder: %v", err)
	}
}

// Reports for programs have a limited length, and say which file has the rest.
func TestReportsAreBounded(t *testing.T) {
	long := broken("p", "TestA", "a_test.go:1: x")
	long.Output = strings.Repeat("a line of a loop\n", 100_000)
	r := judged(run, verdict.LaneResult{Lane: "real", Tests: []verdict.TestResult{long}})
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	for file, most := range map[string]int{KTAPFile: 4 << 10, JSONFile: 80 << 10, JUnitFile: 80 << 10} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > most || !strings.Contains(string(text), "are left out here; real/output/p.TestA.txt has them]") {
			t.Errorf("%s has %d bytes and begins with %.300s", file, len(text), text)
		}
	}
	if all, err := os.ReadFile(filepath.Join(dir, "real", OutputDir, "p.TestA.txt")); string(all) != long.Output {
		t.Errorf("the file has %d bytes, %v, want %d", len(all), err, len(long.Output))
	}
}

// report.json has the output of a failed test, the lines that say why, and the path of its
// file.
func TestJSONOfAFailure(t *testing.T) {
	text, err := JSON(many())
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Origin string
		Extra  []string `json:"extra_patches"`
		Tree   struct {
			Path, Commit string
			NotCommitted string `json:"not_committed"`
		}
		Findings []struct{ Test string }
		Lanes    []struct {
			Tests []struct {
				Package, Name, Output string
				Telling               []string
				File                  string `json:"output_file"`
			}
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	got := r.Lanes[1].Tests[14]
	if got.Package != "p/386" || !strings.Contains(got.Output, "got 4, want 2") || len(got.Telling) != 1 || got.File != "virtual/output/p@386.TestA.txt" {
		t.Errorf("got %+v", got)
	}
	if r.Findings[0].Test != "p.TestA" || !strings.HasPrefix(r.Origin, "commit ") || len(r.Extra) != 2 ||
		r.Tree.Path != "/home/ann/linux" || len(r.Tree.Commit) != 40 || r.Tree.NotCommitted != "not-committed.patch" {
		t.Errorf("got %+v", r)
	}
}

func TestExcerpt(t *testing.T) {
	frames := "goroutine 0 [idle]:\nruntime.futex()\n\truntime/x.go:1\n\n"
	for name, tc := range map[string]struct{ output, first string }{
		"panic": {"=== RUN   TestA\npanic: x\n\ngoroutine 7 [running]:\n", "panic: x"},
		"hang":  {"=== RUN   TestA\nSIGQUIT: quit\nPC=0x1\n\n" + frames + "goroutine 7 [syscall]:\np.TestA()\n\tp/a_test.go:1\n\n" + frames, "goroutine 7 [syscall]:"},
		"dump":  {"=== RUN   TestA\nSIGQUIT: quit\n\n" + frames, "=== RUN   TestA"},
		"end":   {strings.Repeat("a\n", 50) + "b\n", "a"},
	} {
		if got := excerpt(tc.output); got[0] != tc.first || len(got) > maxOutput {
			t.Errorf("%s: got %q, want it to begin with %q", name, got, tc.first)
		}
	}
}

// What leads to the cause is gdb where the kernel is to blame, and a shell where a test has harmed
// the guest. What has happened between two tests is looked for before the second.
func TestNext(t *testing.T) {
	id := wire.TestID{Package: "p", Name: "TestA"}
	r := verdict.Result{Run: verdict.Run{Command: []string{"bin/vmtest"}}, Lanes: []verdict.LaneResult{{Lane: "real", Tests: []verdict.TestResult{
		{TestID: id, Status: verdict.Pass, Expected: verdict.Pass, Harm: []string{"left a process running"}},
	}}}}
	for want, one := range map[string]verdict.Finding{
		"bin/vmtest debug d p.TestA":      {Text: "p.TestA left a process running", During: id.String()},
		"bin/vmtest debug d p.TestA -gdb": {Text: "the guest hung in p.TestA", During: id.String()},
		"bin/vmtest debug d p.TestB -gdb": {Text: "the kernel did not come up", Before: "p.TestB"},
		"":                                {Text: "every test was skipped"},
	} {
		one.Verdict, one.Lane = verdict.Failed, "real"
		if got := (finding{one, []string{"real"}}).next("d", r); got != want {
			t.Errorf("%s: got %q, want %q", one.Text, got, want)
		}
	}
}
