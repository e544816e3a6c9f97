// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page"
	"timens-vmtest/vmtest/verdict"
)

// results are the names of the cells of a night that have a result.
func results(t *testing.T, out, night string) []string {
	t.Helper()
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	n, ok := h.Night(night)
	if !ok {
		t.Fatalf("there is no night %s", night)
	}
	var all []string
	for _, c := range n.Cells {
		all = append(all, c.Name)
	}
	return all
}

const firstNight = "2026-09-01"

// A night that was interrupted goes on with the cell in which that happened. Nothing is lost
// and nothing runs twice.
func TestGoesOn(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	ctx, cancel := context.WithCancel(t.Context())
	var tried []string
	w.fault = func(cell string) error {
		if tried = append(tried, cell); len(tried) == 2 {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	v, err := j.Night(ctx)
	if err == nil || v != verdict.Unjudged || !strings.Contains(err.Error(), "the same command goes on with the night "+firstNight) {
		t.Errorf("interrupted: %v, %v", v, err)
	}
	if got := results(t, out, firstNight); len(got) != 1 {
		t.Errorf("before it went on, %v had run", got)
	}
	w.clock.now = w.clock.now.Add(10 * time.Hour)
	if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
		t.Errorf("went on: %v, %v", v, err)
	}
	if got := results(t, out, firstNight); len(got) != 3 || len(tried) != 4 || tried[1] != tried[2] {
		t.Errorf("%v have run, after %v", got, tried)
	}
	if h, err := history.Load(out); err != nil || len(h.Nights) != 1 || h.Nights[0].End == nil {
		t.Errorf("%v, it is not one night with an end", err)
	}
}

// A night that was cut off and not gone on with, such as by a host that was off for a day, is
// ended by the next one, which tells so. What did not run is not green.
func TestCutOff(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	ctx, cancel := context.WithCancel(t.Context())
	w.fault = func(cell string) error {
		if cell == "tree/s/default/virtual" {
			cancel()
		}
		return ctx.Err()
	}
	if _, err := j.Night(ctx); err == nil {
		t.Fatal("it was not interrupted")
	}
	w.fault, w.clock.now = nil, first.AddDate(0, 0, 1)
	if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
	mail, err := os.ReadFile(filepath.Join(out, nightsDir, "2026-09-02", MailFile))
	if err != nil || !strings.Contains(string(mail), "the night 2026-09-01: it was cut off, and 2 cells did not run") {
		t.Errorf("%v, the mail is %s", err, mail)
	}
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range h.States(firstNight) {
		if s.Cell != "tree/s/default/real" && s.Kind != history.DidNotRun {
			t.Errorf("in the night that was cut off, %s is %v", s.Cell, s.Kind)
		}
	}
}

// Of two nights at once, the second is refused and changes nothing.
func TestTwoAtOnce(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	var second error
	w.fault = func(string) error {
		_, second = j.Night(t.Context())
		return nil
	}
	if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
		t.Errorf("the first: %v, %v", v, err)
	}
	if second == nil || !strings.Contains(second.Error(), "another night is under way in "+out) {
		t.Errorf("the second: %v", second)
	}
	if got := results(t, out, firstNight); len(got) != 3 {
		t.Errorf("%v have run", got)
	}
	w.fault = nil
	if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
		t.Errorf("a second one of that day: %v, %v", v, err)
	}
	results(t, out, firstNight+".2")
}

// What a night comes to is the worst of all that was planned. What did not run is never green.
func TestNightVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world, *Job)
		want   verdict.Verdict
		says   string
	}{
		"all pass":       {func(*world, *Job) {}, verdict.Passed, "nothing changed, so there is no mail"},
		"a test fails":   {func(w *world, _ *Job) { w.patches["0001-a.patch"] = "BUG" }, verdict.Failed, "no culprit: it was never as expected here"},
		"does not apply": {func(w *world, _ *Job) { w.patches["0001-a.patch"] = "needs:x" }, verdict.Unbuilt, ""},
		"the host fails": {func(w *world, _ *Job) {
			w.fault = func(cell string) error {
				if cell == "tree/s/debug/real" {
					return fmt.Errorf("no QEMU")
				}
				return nil
			}
		}, verdict.Unjudged, "tree/s/debug/real did not run: no QEMU"},
		"left out":        {func(_ *world, j *Job) { j.Budget = 25 * time.Minute }, verdict.Unjudged, "left out, the budget of 25m0s has no room: tree/s/debug/real"},
		"budget exceeded": {func(w *world, j *Job) { j.Budget, w.takes = 30*time.Minute, 20*time.Minute }, verdict.Unjudged, "the budget of 30m0s is over, and 1 cells did not run"},
	} {
		w, out, said := newWorld(t), t.TempDir(), &teller{}
		j := w.job(out, said)
		tc.change(w, &j)
		v, err := j.Night(t.Context())
		if v != tc.want || err != nil || !strings.Contains(strings.Join(said.said, "\n"), tc.says) {
			t.Errorf("%s: got %v, %v, want %v; said %q, want %q", name, v, err, tc.want, said.said, tc.says)
		}
	}
}

func TestPlan(t *testing.T) {
	at := func(name string, cost float64) history.Cell {
		return history.Cell{Name: name, CostS: cost, Stage: history.StageTests, Verdict: "pass"}
	}
	h := history.History{Nights: []history.Night{
		{Name: "a", Cells: []history.Cell{at("short", 60), at("long", 3600), at("middle", 1200)}},
		{Name: "b", Cells: []history.Cell{at("short", 60), at("long", 3600), at("middle", 1200)}, Plan: history.Plan{LeftOut: []string{"waited"}}},
	}}
	cells := []Cell{{Name: "short"}, {Name: "new"}, {Name: "long"}, {Name: "waited"}, {Name: "middle"}}
	for _, tc := range []struct {
		budget    time.Duration
		run, left string
	}{
		{0, "[waited long middle new short]", "[]"},
		{2 * time.Hour, "[waited long middle new short]", "[]"},
		{95 * time.Minute, "[waited long middle]", "[new short]"},
		{time.Minute, "[]", "[waited long middle new short]"},
	} {
		p, err := plan(h, cells, tc.budget, first)
		if err != nil || fmt.Sprint(p.Cells) != tc.run || fmt.Sprint(p.LeftOut) != tc.left {
			t.Errorf("budget %v: %v, got %v and left out %v, want %s and %s", tc.budget, err, p.Cells, p.LeftOut, tc.run, tc.left)
		}
	}
	if _, err := plan(h, append(cells, Cell{Name: "new"}), 0, first); err == nil {
		t.Error("there may be two cells of one name")
	}
}

// Each command with a turn runs once in a week, and one of a series when the series changed.
func TestTurns(t *testing.T) {
	counts := make(map[string]int)
	var cells []Cell
	for turn := range 7 {
		cells = append(cells, Cell{Name: fmt.Sprint(turn + 1), Command: []string{"x"}, Turn: turn + 1, Of: 7})
	}
	for day := range 14 {
		p, err := plan(history.History{}, cells, 0, first.AddDate(0, 0, day))
		if err != nil || len(p.Cells) != 1 || len(p.Resting) != 6 {
			t.Errorf("day %d: %v, %+v", day, err, p)
		}
		counts[p.Cells[0]]++
	}
	if len(counts) != 7 {
		t.Errorf("in two weeks there ran %v", counts)
	}
	old, new := []history.Digest{{Name: "p", SHA256: "1"}}, []history.Digest{{Name: "p", SHA256: "2"}}
	record := func(verdict string) history.History {
		return history.History{Nights: []history.Night{{Cells: []history.Cell{{Name: "presubmit", Verdict: verdict, Inputs: history.Inputs{Patches: old}}}}, {}}}
	}
	for name, tc := range map[string]struct {
		h       history.History
		patches []history.Digest
		rests   bool
	}{
		"never ran": {history.History{}, old, false}, "is as it was": {record("fail"), old, true}, "changed": {record("pass"), new, false}, "had no verdict": {record("unjudged"), old, false},
	} {
		if c := (Cell{Name: "presubmit", Changed: true, Patches: tc.patches}); c.rests(tc.h, first) != tc.rests {
			t.Errorf("%s: rests is not %v", name, tc.rests)
		}
	}
}

// Cells that a night is told to leave alone are neither gone nor missing in it.
func TestAsleep(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	for night := range 3 {
		w.clock.now = first.AddDate(0, 0, night)
		j.Cells[0].Asleep, j.Cells[1].Asleep = night == 1, night == 1
		if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
			t.Fatalf("night %d: %v, %v", night, v, err)
		}
	}
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	if got := results(t, out, "2026-09-02"); len(got) != 1 {
		t.Errorf("there ran %v", got)
	}
	for _, n := range h.Nights {
		if text := news(h, n.Name); text != "" {
			t.Errorf("night %s: %s", n.Name, text)
		}
	}
}

// A budget that is over ends the cells, and not the search, which has its own.
func TestSearchBehindBudget(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, 1), "BUG"
	j.Budget, w.takes = 30*time.Minute, 20*time.Minute
	j.Search = 10 * time.Hour
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := findings(t, out)["tree/s/default/real p.TestA"]; f.Culprit != "patch 0001-a.patch" {
		t.Errorf("got %s; said %q", told(f), said.said)
	}
}

func TestReadCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells")
	for text, want := range map[string]string{
		"# a comment\ncanary 1/1 make canary # guests\nm 3/7 make mutants RUN=/[a-c] # edits\n": "",
		"canary 1/1 make canary\n":         "cells:1: the cell canary 1/1 make canary has no reason",
		"canary 1/1 # x\n":                 "is not \"NAME TURN/OF COMMAND",
		"canary 8/7 make # x\n":            "cells:1: 8/7 is no turn",
		"canary 0/7 make # x\n":            "0/7 is no turn",
		"canary make canary # x\n":         "is not \"NAME",
		"a 1/1 make # x\na 1/1 make # x\n": "cells:2: there are two cells a",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cells, err := ReadCommands(path)
		switch {
		case want == "" && (err != nil || len(cells) != 2 || cells[1].Turn != 3 || cells[1].Of != 7 || fmt.Sprint(cells[1].Command) != "[make mutants RUN=/[a-c]]"):
			t.Errorf("got %v, %+v", err, cells)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// The evidence of a failure stays until it is fixed for 30 days. Other nights keep their JSON,
// and behind -keep nothing.
func TestPrune(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	j.Keep, j.Tries = 20, 1
	files := func(day int) string {
		var all []string
		dir := filepath.Join(out, nightsDir, first.AddDate(0, 0, day).Format(time.DateOnly), "tree/s/default/real")
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				all = append(all, filepath.Base(path))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	const whole, stripped = "0001-a.patch 0002-b.patch 0003-c.patch cell.json console.log requested.config run.json", "cell.json run.json"
	for day := range 50 {
		w.clock.now = first.AddDate(0, 0, day)
		delete(w.patches, "0002-b.patch")
		if w.patches["0002-b.patch"] = "b"; day >= 3 && day < 10 {
			w.patches["0002-b.patch"] = "BUG"
		}
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, see := range []struct {
			now, of int
			want    string
		}{
			{6, 0, whole}, {7, 0, stripped}, {7, 1, whole}, {10, 3, whole}, {19, 0, stripped}, {20, 0, ""}, {39, 3, whole}, {39, 9, whole}, {40, 9, ""}, {40, 11, ""}, {42, 3, ""}, {49, 35, stripped},
		} {
			if see.now == day && files(see.of) != see.want {
				t.Errorf("on day %d, of day %d there is %q, want %q", day, see.of, files(see.of), see.want)
			}
		}
	}
	h, err := history.Load(out)
	if err != nil || len(h.Nights) != 50 {
		t.Fatalf("%v, %d nights", err, len(h.Nights))
	}
	for day, want := range map[int]string{
		6:  "",
		7:  "of old evidence were removed: all but JSON and failures of 1 night",
		29: "of old evidence were removed: all but JSON and failures of 1 night, 1 input that no night needs",
		40: "of old evidence were removed: 8 nights altogether, all but JSON and failures of 1 night",
	} {
		got := h.Nights[day].End.Pruned
		if size, said, _ := strings.Cut(got, "B "); said != want || strings.HasPrefix(size, "0.0") {
			t.Errorf("on day %d it said %q, want %q", day, got, want)
		}
	}
	if inputs, err := os.ReadDir(filepath.Join(out, inputsDir)); err != nil || len(inputs) != 4 {
		t.Errorf("%v, there are %d inputs, want the patches and the configuration of now", err, len(inputs))
	}
}

// The command gets the mail. If it fails, the night says so and is no worse for it.
func TestNotify(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	j.Tries = 1
	got := filepath.Join(out, "got")
	j.Notify = "cat >" + got
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(got); err == nil {
		t.Error("a night without news sent something")
	}
	w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, 1), "BUG"
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(got); err != nil || !strings.HasPrefix(string(text), "Subject: [vmtest 2026-09-02] fails: p.TestA on 3 cells\n\n") {
		t.Errorf("%v, sent %q", err, text)
	}
	j.Notify = "echo no route; exit 3"
	w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, 2), "a"
	if v, err := j.Night(t.Context()); err != nil || v != verdict.Passed {
		t.Errorf("%v, %v", v, err)
	}
	h, err := history.Load(out)
	if err != nil || !strings.Contains(fmt.Sprint(h.Nights[2].Notes), "the mail was not sent: echo no route; exit 3: exit status 3: no route") {
		t.Errorf("%v, the notes are %v", err, h.Nights[2].Notes)
	}
}

// Each night has its page, with what was told after it was written. A page that cannot be
// written is said, and makes no night worse.
func TestPage(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	j.Tries, j.Notify = 1, "test -s "+filepath.Join(out, page.File)+" && exit 3"
	w.patches["0001-a.patch"] = "BUG"
	if v, err := j.Night(t.Context()); err != nil || v != verdict.Failed {
		t.Fatalf("%v, %v", v, err)
	}
	text, err := os.ReadFile(filepath.Join(out, page.File))
	for _, want := range []string{"Nightly 2026-09-01", "1 new failure", "on tree/s/default/real, ", "exit status 3", `href="nights/2026-09-01/tree/s/default/real"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%v, the page lacks %q", err, want)
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(out, page.File)), os.MkdirAll(filepath.Join(out, page.File, "in the way"), 0o755)); err != nil {
		t.Fatal(err)
	}
	w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, 1), "a"
	if v, err := j.Night(t.Context()); err != nil || v != verdict.Passed {
		t.Errorf("%v, %v", v, err)
	}
	if h, err := history.Load(out); err != nil || !strings.Contains(fmt.Sprint(h.Nights[1].Notes), "the page was not written: ") {
		t.Errorf("%v, the notes are %v", err, h.Nights[1].Notes)
	}
}
