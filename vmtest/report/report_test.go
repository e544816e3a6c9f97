// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func test(name string, status, expected verdict.Status) verdict.TestResult {
	return verdict.TestResult{TestID: wire.TestID{Package: "p", Name: name}, Status: status, Expected: expected, DurationS: 0.25}
}

func late(name string, seconds float64) verdict.TestResult {
	t := test(name, verdict.Pass, verdict.Pass)
	t.LatenessS = &seconds
	return t
}

var run = verdict.Run{
	Series: "timens-offset", Base: "6.12.117", Release: "6.12.117", Lanes: []string{"real"}, PrepareS: 1.5,
	Command: []string{"bin/vmtest", "run", "-run", "A|B"},
}

var results = map[string]verdict.Result{
	"pass": {
		Verdict: verdict.Passed, Run: run,
		Lanes: []verdict.LaneResult{{Lane: "real", Accel: "kvm", BootS: 0.5, DurationS: 2, Tests: []verdict.TestResult{
			test("TestA", verdict.Pass, verdict.Pass),
			test("TestB", verdict.Fail, verdict.Fail),
			test("TestC", verdict.Skip, verdict.Skip),
		}}},
	},
	"changed": {
		Verdict: verdict.Passed, Run: verdict.Run{Series: "control", Base: "6.12.117", Lanes: []string{"real"}, NotStandard: []string{"-smp 4", "-append a=b"}},
		Lanes: []verdict.LaneResult{{Lane: "real", Accel: "kvm", BootS: 0.5, DurationS: 2, Tests: []verdict.TestResult{test("TestA", verdict.Pass, verdict.Pass)}}},
	},
	"fail": {
		Verdict: verdict.Failed, Run: run,
		Findings: []verdict.Finding{
			{Verdict: verdict.Failed, Lane: "real", Text: "splat during p.TestB: WARNING: CPU: 0 at x (console.log:7)"},
			{Verdict: verdict.Failed, Lane: "real", Text: "p.TestB: fail, expected pass", Test: "p.TestB"},
		},
		Lanes: []verdict.LaneResult{{
			Lane: "real", Accel: "tcg", BootS: 1.5, DurationS: 9,
			Splats: []verdict.Splat{{Boot: 1, Line: 7, Text: "WARNING: CPU: 0 at x", Test: "p.TestB", More: []string{"------------[ cut here ]------------", "WARNING: CPU: 0 at x"}}},
			Tests: []verdict.TestResult{
				test("TestA", verdict.Pass, verdict.Pass),
				{TestID: wire.TestID{Package: "p", Name: "TestB"}, Status: verdict.Fail, Expected: verdict.Pass, Output: "=== RUN   TestB\n    b_test.go:1: got 1, want 2 <&\x00>\n--- FAIL: TestB (0.00s)\n", Telling: []string{"b_test.go:1: got 1, want 2 <&\x00>"}},
				test("TestC", verdict.Pass, verdict.Fail),
				test("TestD", verdict.Timeout, verdict.Pass),
				test("TestE", verdict.Missing, verdict.Pass),
			},
		}},
	},
	"lanes": {
		Verdict: verdict.Failed, Run: run,
		Findings: []verdict.Finding{
			{Verdict: verdict.Failed, Lane: "real", Text: "p.TestA: fail, expected pass", Test: "p.TestA"},
			{Verdict: verdict.Failed, Lane: "virtual", Text: "p.TestA: fail, expected pass", Test: "p.TestA"},
			{Verdict: verdict.Failed, Lane: "virtual", Text: "p.TestB: fail, expected pass", Test: "p.TestB"},
		},
		Lanes: []verdict.LaneResult{
			{Lane: "real", Accel: "kvm", BootS: 0.5, DurationS: 2, Tests: []verdict.TestResult{
				test("TestA", verdict.Fail, verdict.Pass),
				late("TestB", 0.0123),
			}},
			{Lane: "virtual", Accel: "tcg", BootS: 2.5, DurationS: 4, Tests: []verdict.TestResult{
				test("TestA", verdict.Fail, verdict.Pass),
				test("TestB", verdict.Fail, verdict.Pass),
			}},
		},
	},
	"split": {
		Verdict: verdict.Failed, Run: run,
		Findings: []verdict.Finding{
			{Verdict: verdict.Failed, Lane: "real, shard 2", Text: "splat during p.TestB: WARNING: CPU: 0 at x (shard2/console.log:7)", During: "p.TestB"},
			{Verdict: verdict.Failed, Lane: "real", Text: "p.TestB: fail, expected pass", Test: "p.TestB"},
		},
		Lanes: []verdict.LaneResult{{
			Lane: "real", Accel: "tcg", Shards: 2, Boots: 3, BootS: 1.5, DurationS: 9,
			Splats: []verdict.Splat{{Shard: 2, Boot: 1, Line: 7, Text: "WARNING: CPU: 0 at x", Test: "p.TestB"}},
			Tests:  []verdict.TestResult{inShard(1, test("TestA", verdict.Pass, verdict.Pass)), inShard(2, test("TestB", verdict.Fail, verdict.Pass))},
		}},
	},
	"ordered": {
		Verdict: verdict.Failed, Run: ordered(),
		Findings: []verdict.Finding{{Verdict: verdict.Failed, Lane: "virtual", Text: "p.TestC: fail, expected pass", Test: "p.TestC"}},
		Lanes: []verdict.LaneResult{
			{Lane: "real", Accel: "kvm", BootS: 0.5, DurationS: 2, Tests: []verdict.TestResult{
				test("TestB", verdict.Fail, verdict.Fail), test("TestC", verdict.Missing, verdict.Pass), test("TestA", verdict.Missing, verdict.Pass),
			}},
			{Lane: "virtual", Accel: "tcg", BootS: 2.5, DurationS: 4, Tests: []verdict.TestResult{
				test("TestB", verdict.Fail, verdict.Fail), test("TestC", verdict.Fail, verdict.Pass), test("TestA", verdict.Pass, verdict.Pass),
			}},
		},
	},
	"build": {
		Verdict: verdict.Unbuilt, Run: verdict.Run{Series: "x", Base: "6.12.117"},
		Findings: []verdict.Finding{{Verdict: verdict.Unbuilt, Text: "build: exit status 2\na.c:1:2: error: no\nwhole log: build.log"}},
	},
	"between": between(),
	"many":    many(),
	"traced":  traced(),
	"stopped": stopped(),
	"covered": {Verdict: verdict.Passed, Run: run, Coverage: &covered},
	"nothing": {Findings: []verdict.Finding{{Verdict: verdict.Unjudged, Text: "there is no run.json"}}},
}

// between is a run on a kernel between two releases. A test that is mended or new is there for two
// lanes, and as a 32-bit program.
func between() verdict.Result {
	r := run
	r.Base, r.Lanes = "7.0.2", []string{"real", "virtual"}
	r.LeftOut = []string{"base.config:38: CONFIG_PROC_SYSCTL=y is left out: this tree does not define PROC_SYSCTL"}
	var tests []verdict.TestResult
	for _, pkg := range []string{"p", "p/386"} {
		gap, feature, wrong := test("TestGap", verdict.Pass, verdict.Pass), test("TestFeature", verdict.Pass, verdict.Pass), test("TestWrong", verdict.Fail, verdict.Fail)
		gap.Mended, feature.New, wrong.New = true, true, true
		for _, t := range []verdict.TestResult{gap, feature, wrong} {
			t.Package = pkg
			tests = append(tests, t)
		}
	}
	return verdict.Result{Verdict: verdict.Passed, Run: r, Lanes: []verdict.LaneResult{
		{Lane: "real", Accel: "kvm", BootS: 0.5, DurationS: 2, Tests: tests[:3]}, {Lane: "virtual", Accel: "tcg", BootS: 2.5, DurationS: 4, Tests: tests},
	}}
}

// inShard is a test that a shard of its lane has run.
func inShard(n int, t verdict.TestResult) verdict.TestResult {
	t.Shard = n
	return t
}

// ordered is a run whose tests are in the order of what has changed.
func ordered() verdict.Run {
	r := run
	r.Order = &verdict.Order{Passed: "2026-01-02T03:04:05Z", Series: "control", First: 2,
		Changed: []string{"clone_time_ns", "copy_namespaces", "create_new_namespaces", "do_timens_ktime_to_host", "free_time_ns", "timens_install"}}
	return r
}

// Users and their tools read the golden files. Look at a diff before you commit it.
func TestGolden(t *testing.T) {
	for name, r := range results {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Write(dir, r); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{TextFile, KTAPFile, JSONFile, JUnitFile, HTMLFile} {
				golden(t, dir, file, name+filepath.Ext(file))
			}
			golden(t, dir, BenchFile, name+"-"+BenchFile)
			if r.Coverage != nil {
				golden(t, dir, CoverageTextFile, name+"-"+CoverageTextFile)
				golden(t, dir, CoverageHTMLFile, name+"-"+CoverageHTMLFile)
				golden(t, dir, LcovFile, name+"-"+LcovFile)
				golden(t, dir, CoberturaFile, name+"-"+CoberturaFile)
			}
			var screen bytes.Buffer
			Text(&screen, dir, r)
			page, err := os.ReadFile(filepath.Join(dir, TextFile))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(page, screen.Bytes()) { // the file has more than the screen
				if err := os.WriteFile(filepath.Join(dir, "screen"+filepath.Ext(TextFile)), screen.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				golden(t, dir, "screen.txt", name+"-screen.txt")
			}
		})
	}
}

// golden compares a file of a run's folder with a golden file. With -update it writes the
// golden file.
func golden(t *testing.T, dir, file, name string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	if file == HTMLFile { // the style sheet has a test of its own
		got = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAll(got, []byte("<style></style>"))
	}
	if file == HTMLFile || filepath.Ext(file) == filepath.Ext(TextFile) { // they have the path of the folder
		got = bytes.ReplaceAll(got, []byte(dir), []byte("DIR"))
	}
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs from %s:\n%s", file, name, got)
	}
}

var covered = verdict.CoverageResult{
	Executed: 2, Countable: 3, Floor: verdict.Floor{Percent: 60, Reason: "copying fails on bad memory only"},
	Missing:   []verdict.MissingLine{{Path: "kernel/fork.c", N: 13, Text: "\t\treturn -EFAULT;"}},
	Uncounted: map[string]int{"comment": 1, "blank": 2},
	Tests:     []string{"p.TestA", "p.TestB", "p.TestC", "p.TestD"},
	Files: []verdict.CoveredFile{{Path: "kernel/fork.c", Lines: []verdict.CoveredLine{
		{Op: " ", N: 10, Text: "\tint <err>;"}, {Op: "-", Text: "\told();"},
		{Op: "+", N: 11, Text: "\t/* new */", Uncounted: "comment"},
		{Op: "+", N: 12, Text: "\tif (copy(x) && y)", Count: 9, Partly: true, Tests: []int{0, 1, 2, 3}},
		{Op: "+", N: 13, Text: "\t\treturn -EFAULT;"},
		{Op: "+", N: 40, Text: "\treturn 0;", Count: 1, Tests: []int{1}},
	}}, {Path: "arch/arm64/kernel/vdso.c", Lines: []verdict.CoveredLine{{Op: "+", N: 9, Text: "\tsetup();", Uncounted: verdict.NotBuilt}}}},
}

func TestComparisonGolden(t *testing.T) {
	compared := func(name string, base, series verdict.Status, class verdict.Class, ofSeries, announced bool) verdict.ComparedTest {
		return verdict.ComparedTest{TestID: wire.TestID{Package: "p", Name: name}, Lane: "real", Base: base, Series: series, Class: class, OfSeries: ofSeries, Announced: announced}
	}
	c := verdict.Comparison{
		Verdict: verdict.Failed, Base: results["pass"], Series: results["fail"],
		Findings: []verdict.Finding{{Verdict: verdict.Failed, Lane: "real", Text: "p.TestA regressed: pass without the series, fail with it"}},
		Tests: []verdict.ComparedTest{
			compared("TestA", verdict.Pass, verdict.Fail, verdict.Regressed, false, false),
			compared("TestB", verdict.Pass, verdict.Fail, verdict.Regressed, false, true),
			compared("TestC", verdict.Fail, verdict.Pass, verdict.Proven, true, false),
			compared("TestD", verdict.Crash, verdict.Pass, verdict.Fixed, false, false),
			compared("TestE", verdict.Pass, verdict.Pass, verdict.Same, true, false),
			compared("TestF", verdict.Pass, verdict.Pass, verdict.Same, false, false),
			compared("TestG", verdict.Fail, verdict.Fail, verdict.BrokenBefore, false, false),
		},
	}
	dir := t.TempDir()
	if err := WriteComparison(dir, c); err != nil {
		t.Fatal(err)
	}
	golden(t, dir, TextFile, "compared.txt")
	golden(t, dir, JSONFile, "compared.json")
}

// Other tools read these keys, so their names must not change.
func TestJSONContract(t *testing.T) {
	text, err := JSON(results["fail"])
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Verdict, Series, Base string
		Exit                  int
		KernelRelease         string         `json:"kernel_release"`
		DurationS             float64        `json:"duration_s"`
		Counts                map[string]int `json:"counts"`
		Lanes                 []struct {
			Lane, Accel string
			BootS       float64 `json:"boot_s"`
			Splats      []any
			Tests       []struct {
				Package, Name, Status, Expected string
				DurationS                       float64 `json:"duration_s"`
			}
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != "fail" || r.Exit != 1 || r.Series != "timens-offset" || r.Base != "6.12.117" || r.KernelRelease != "6.12.117" || r.DurationS != 10.5 {
		t.Errorf("head: %+v", r)
	}
	if r.Counts["pass"] != 2 || r.Counts["fail"] != 1 || r.Counts["missing"] != 1 {
		t.Errorf("counts: %v", r.Counts)
	}
	l := r.Lanes[0]
	if l.Lane != "real" || l.Accel != "tcg" || l.BootS != 1.5 || len(l.Splats) != 1 || len(l.Tests) != 5 {
		t.Errorf("lane: %+v", l)
	}
	if got := l.Tests[0]; got.Package != "p" || got.Name != "TestA" || got.Status != "pass" || got.Expected != "pass" || got.DurationS != 0.25 {
		t.Errorf("test: %+v", got)
	}
}

// If one report cannot be written, none is left.
func TestWriteAllOrNone(t *testing.T) {
	for _, file := range files {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, file, "in the way"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, judged(run, verdict.LaneResult{Tests: []verdict.TestResult{broken("p", "TestA", "a_test.go:1: x")}})); err == nil {
			t.Errorf("%s was written over a folder", file)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("got %v, %v, want nothing but the folder", left, err)
		}
	}
}
