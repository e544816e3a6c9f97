// SPDX-License-Identifier: BSD-3-Clause

package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

var steadyRuns = flag.Int("steady", 0, "the `NUMBER` of runs of TestSteady beside a busy neighbour; flags after -- are for vmtest run")

// drift returns by how many seconds of guest time the interval before an event may differ
// between two runs of the same image and plan. seconds is the interval in one of them.
// See docs/lanes.md.
func drift(seconds float64) float64 { return 0.1 + seconds/10 }

// TestSteady runs the virtual lane once on an idle machine, and then several times beside a
// process that burns all CPUs. The runs must have the same events in the same order, and
// the guest times between them may differ only by drift. Type "make steady" to run it.
func TestSteady(t *testing.T) {
	if *steadyRuns == 0 {
		t.Skip("it boots guests for minutes; type \"make steady\" to run it")
	}
	want := steadyRun(t)
	defer neighbour(t)()
	for n := range *steadyRuns {
		got := steadyRun(t)
		if len(got) != len(want) {
			t.Errorf("run %d: it had %d guests side by side, want %d", n+1, len(got), len(want))
			continue
		}
		for i := range want {
			furthest, err := want[i].compare(got[i])
			if err != nil {
				t.Errorf("run %d: %s: %v", n+1, got[i].guest, err)
				continue
			}
			t.Logf("run %d: %s: %s, %d events as in the run without a neighbour; the intervals between them differ by at most %.9f s of guest time", n+1, got[i].guest, got[i].verdict, len(got[i].events), furthest)
		}
	}
}

// neighbour starts processes that burn every CPU. The caller calls stop to end them.
func neighbour(t *testing.T) (stop func()) {
	var all []*exec.Cmd
	for range runtime.NumCPU() {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	return func() {
		for _, cmd := range all {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // its error says that it was killed, which is wanted
		}
	}
}

// history holds the verdict of a run, and the events of one of its guests.
type history struct {
	guest   string // folder of its records
	verdict string
	events  []event
}

// event is a record without the parts that differ in every run, such as the boot's ID.
type event struct {
	what string
	at   float64 // guest seconds
}

// compare compares the intervals between events of h with those of other, and returns the
// largest difference in seconds. The error says how the histories differ.
func (h history) compare(other history) (furthest float64, err error) {
	if h.guest != other.guest {
		return 0, fmt.Errorf("the guest is %s, was %s", other.guest, h.guest)
	}
	if h.verdict != other.verdict {
		return 0, fmt.Errorf("the verdict is %s, was %s", other.verdict, h.verdict)
	}
	var wasLast, isLast float64
	for i := range min(len(h.events), len(other.events)) {
		was, is := h.events[i], other.events[i]
		if now, then := differ(is.what, was.what); now != then {
			return 0, fmt.Errorf("event %d has %q, had %q", i, now, then)
		}
		wasLong, isLong := was.at-wasLast, is.at-isLast
		apart := math.Abs(isLong - wasLong)
		if limit := drift(wasLong); apart > limit {
			return 0, fmt.Errorf("event %d, %q, is %.9f s after the one before, was %.9f s, want them within %.3f s", i, is.what, isLong, wasLong, limit)
		}
		furthest = max(furthest, apart)
		wasLast, isLast = was.at, is.at
	}
	if len(h.events) != len(other.events) {
		return 0, fmt.Errorf("there are %d events, were %d", len(other.events), len(h.events))
	}
	return furthest, nil
}

// differ sorts the lines of a and of b and returns the first pair that differs. The order
// of lines does not matter, because a test that takes its subtests from a map runs them in
// random order.
func differ(a, b string) (inA, inB string) {
	sorted := func(text string) []string { return slices.Sorted(strings.SplitSeq(text, "\n")) }
	linesA, linesB := sorted(a), sorted(b)
	for i := range min(len(linesA), len(linesB)) {
		if linesA[i] != linesB[i] {
			return linesA[i], linesB[i]
		}
	}
	if len(linesA) != len(linesB) {
		return fmt.Sprintf("%d lines", len(linesA)), fmt.Sprintf("%d lines", len(linesB))
	}
	return "", ""
}

// steadyRun runs the tests in the virtual lane and returns a history for each of the guests that
// ran side by side. With -shards there are several.
func steadyRun(t *testing.T) []history {
	t.Helper()
	results := t.TempDir()
	cmd := exec.Command(filepath.Join("bin", "vmtest"), "run", "-lane", wire.Virtual, "-order", "source", "-results", results)
	cmd.Args = append(cmd.Args, flag.Args()...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	text, err := os.ReadFile(filepath.Join(results, "latest", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Verdict string }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	lane := filepath.Join(results, "latest", wire.Virtual)
	var all []history
	for _, pattern := range []string{".", "shard*"} {
		found, err := filepath.Glob(filepath.Join(lane, pattern, wire.RecordsFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			guest, err := filepath.Rel(lane, filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, historyOf(t, path, history{guest: guest, verdict: report.Verdict}))
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no records", lane)
	}
	return all
}

// historyOf adds the events of a file of records to a history.
func historyOf(t *testing.T, path string, h history) history {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		r, err := wire.ParseRecord(bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		h.add(r)
	}
	return h
}

// figures matches the numbers that a test prints, such as times. One more instruction
// changes them.
var figures = regexp.MustCompile(`\d+`)

// add adds a record. All that a test prints is one event, because the number of its records
// depends on whether the test or uinit runs first.
func (h *history) add(r wire.Record) {
	what, at := r.Type, r.UptimeS
	switch r.Type {
	case wire.TypeDone: // the guest has waited until QEMU's clock begins a second
		at = h.events[len(h.events)-1].at
	case wire.TypeStart:
		what += " " + r.TestID.String()
	case wire.TypeEnd:
		what += fmt.Sprintf(" %s, exit %d %s", r.TestID, r.End.Exit, r.End.Signal)
	case wire.TypeOutput:
		text := figures.ReplaceAllString(string(r.Data), "N")
		if last := &h.events[len(h.events)-1]; strings.HasPrefix(last.what, wire.TypeOutput) {
			last.what += text
			return
		}
		what += "\n" + text
	}
	h.events = append(h.events, event{what, at})
}

func TestHistoryCompare(t *testing.T) {
	green := func() history {
		return history{"shard1", "pass", []event{{"start p.TestA", 1}, {"output\n=== RUN TestA/x\n--- PASS: TestA/x\n", 1.1}, {"end p.TestA", 2}}}
	}
	for name, tc := range map[string]struct {
		change func(*history)
		want   string // in the error; "": none
	}{
		"same":              {func(*history) {}, ""},
		"later from start":  {func(h *history) { h.events[0].at += 0.04; h.events[1].at += 0.08; h.events[2].at += 0.1 }, ""},
		"other order":       {func(h *history) { h.events[1].what = "output\n--- PASS: TestA/x\n=== RUN TestA/x\n" }, ""},
		"other subtests":    {func(h *history) { h.events[1].what = "output\n=== RUN TestA/y\n--- PASS: TestA/x\n" }, `event 1 has "=== RUN TestA/y", had "=== RUN TestA/x"`},
		"more is printed":   {func(h *history) { h.events[1].what += "zzz\n" }, `event 1 has "5 lines", had "4 lines"`},
		"an event too late": {func(h *history) { h.events[1].at += 0.12; h.events[2].at += 0.12 }, "event 1,"},
		"an event is gone":  {func(h *history) { h.events = h.events[:2] }, "there are 2 events, were 3"},
		"other guest":       {func(h *history) { h.guest = "shard2" }, "the guest is shard2, was shard1"},
		"other verdict":     {func(h *history) { h.verdict = "fail" }, "the verdict is fail, was pass"},
	} {
		t.Run(name, func(t *testing.T) {
			other := green()
			tc.change(&other)
			_, err := green().compare(other)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
