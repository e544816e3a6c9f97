package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/wire"
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
	"fail": {
		Verdict: verdict.Failed, Run: run,
		Findings: []verdict.Finding{
			{Verdict: verdict.Failed, Lane: "real", Text: "splat during p.TestB: WARNING: CPU: 0 at x (console.log:7)"},
			{Verdict: verdict.Failed, Lane: "real", Text: "p.TestB: fail, expected pass"},
		},
		Lanes: []verdict.LaneResult{{
			Lane: "real", Accel: "tcg", BootS: 1.5, DurationS: 9,
			Splats: []verdict.Splat{{Line: 7, Text: "WARNING: CPU: 0 at x", Test: "p.TestB", More: []string{"------------[ cut here ]------------", "WARNING: CPU: 0 at x"}}},
			Tests: []verdict.TestResult{
				test("TestA", verdict.Pass, verdict.Pass),
				{TestID: wire.TestID{Package: "p", Name: "TestB"}, Status: verdict.Fail, Expected: verdict.Pass, Output: "=== RUN   TestB\n    b_test.go:1: got 1, want 2 <&\x00>\n--- FAIL: TestB (0.00s)\n"},
				test("TestC", verdict.Pass, verdict.Fail),
				test("TestD", verdict.Timeout, verdict.Pass),
				test("TestE", verdict.Missing, verdict.Pass),
			},
		}},
	},
	"lanes": {
		Verdict: verdict.Failed, Run: run,
		Findings: []verdict.Finding{
			{Verdict: verdict.Failed, Lane: "real", Text: "p.TestA: fail, expected pass"},
			{Verdict: verdict.Failed, Lane: "virtual", Text: "p.TestA: fail, expected pass"},
			{Verdict: verdict.Failed, Lane: "virtual", Text: "p.TestB: fail, expected pass"},
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
	"build": {
		Verdict: verdict.Unbuilt, Run: verdict.Run{Series: "x", Base: "6.12.117"},
		Findings: []verdict.Finding{{Verdict: verdict.Unbuilt, Text: "build: exit status 2\na.c:1:2: error: no\nwhole log: build.log"}},
	},
	"nothing": {Findings: []verdict.Finding{{Verdict: verdict.Unjudged, Text: "there is no run.json"}}},
}

// The golden files are what users and their tools read: look at a diff before
// you commit it.
func TestGolden(t *testing.T) {
	for name, r := range results {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Write(dir, r); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{TextFile, KTAPFile, JSONFile, JUnitFile} {
				got, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				if file == TextFile { // names the folder
					got = bytes.ReplaceAll(got, []byte(dir), []byte("DIR"))
				}
				golden := filepath.Join("testdata", name+filepath.Ext(file))
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
					continue
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("%s differs from %s:\n%s", file, golden, got)
				}
			}
		})
	}
}

// The keys that other tools read must be there under these names.
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

func TestOverallOfNothingIsUnjudged(t *testing.T) {
	if got := Overall(nil); got != verdict.Unjudged {
		t.Errorf("got %v, want %v", got, verdict.Unjudged)
	}
}

// A report that lacks its fellows would be believed.
func TestWriteAllOrNone(t *testing.T) {
	for _, file := range []string{TextFile, KTAPFile, JSONFile, JUnitFile} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, file, "in the way"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, verdict.Result{Verdict: verdict.Passed}); err == nil {
			t.Errorf("%s was written over a folder", file)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("got %v, %v, want nothing but the folder", left, err)
		}
	}
}
