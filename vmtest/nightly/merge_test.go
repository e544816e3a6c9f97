// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// elsewhere runs the cells of a night as an engine does, in an order of its own, and merges them.
func elsewhere(t *testing.T, j Job) verdict.Verdict {
	t.Helper()
	lines, err := j.Begin()
	if err != nil {
		t.Fatal(err)
	}
	runLines(t, j, lines)
	v, err := j.Merge(t.Context(), lines[0].Folder)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func runLines(t *testing.T, j Job, lines []cells.Line) {
	t.Helper()
	for _, l := range lines {
		at := slices.IndexFunc(j.Cells, func(c Cell) bool { return c.Name == l.ID })
		f := Folder{Dir: l.Folder, Runner: j.Runner, Now: j.Now}
		if _, _, err := f.Run(t.Context(), j.Cells[at], l); err != nil {
			t.Fatal(err)
		}
	}
}

// times are what may differ between two nights that ran the same: when, and how long.
var times = regexp.MustCompile(`"(began|ended)":"[^"]*"|"(cost_s|cpu_s|duration_s|boot_s)":[0-9.e+-]+|\d{4}-\d\d-\d\dT[0-9:]+Z|\d\d:\d\d UTC|[0-9.]+ (s|min|h)\b`)

// The same nights, one by one over an engine and on this machine, come to the same verdicts, the
// same history and the same page, but for times: one that passes, one with a failure whose
// culprit is found, one that is red as before.
func TestEngineAndWorkerAgree(t *testing.T) {
	type left struct{ verdicts, history, page, mail string }
	var all []left
	for _, engine := range []bool{false, true} {
		w, out, said := newWorld(t), t.TempDir(), &teller{}
		j := w.job(out, said)
		plain := strings.NewReplacer(w.tree.dir, "/src/linux", w.project.dir, "/src/project", out, "/nights")
		var l left
		for day, text := range []string{"a", "BUG", "BUG"} {
			w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, day), text
			if engine {
				l.verdicts += elsewhere(t, j).String() + " "
				continue
			}
			v, err := j.Night(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			l.verdicts += v.String() + " "
		}
		for name, to := range map[string]*string{history.File: &l.history, page.File: &l.page, filepath.Join(nightsDir, "2026-09-02", MailFile): &l.mail} {
			text, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			*to = times.ReplaceAllString(plain.Replace(string(text)), "TIME")
		}
		all = append(all, l)
	}
	if all[0].verdicts != "pass fail fail " {
		t.Errorf("the verdicts are %s", all[0].verdicts)
	}
	if all[0] != all[1] {
		t.Errorf("on this machine:\n%s\n%s\n%s\n%s\nover an engine:\n%s\n%s\n%s\n%s", all[0].verdicts, all[0].history, all[0].page, all[0].mail, all[1].verdicts, all[1].history, all[1].page, all[1].mail)
	}
}

// A cell that a node has lost is named. The night goes on: the same command lists what is left, and
// the merge behind it ends the night.
func TestLostCell(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	lines, err := j.Begin()
	if err != nil || len(lines) != 3 || lines[0].Night != firstNight || lines[0].Minutes != 10 || lines[0].Folder != filepath.Join(out, nightsDir, firstNight) {
		t.Fatalf("%v, the lines are %+v", err, lines)
	}
	runLines(t, j, lines[1:])
	if v, err := j.Merge(t.Context(), lines[0].Folder); v != verdict.Unjudged || err != nil {
		t.Errorf("without a cell: %v, %v", v, err)
	}
	if want := "1 cell of the night 2026-09-01 left nothing: " + lines[0].ID; !slices.Contains(said.said, want) {
		t.Errorf("said %q, want %q", said.said, want)
	}
	if text, err := os.ReadFile(filepath.Join(out, page.File)); err != nil || !strings.Contains(string(text), "The night has not ended.") {
		t.Errorf("%v, the page does not say that the night has not ended", err)
	}
	w.clock.now = w.clock.now.Add(time.Hour)
	left, err := j.Begin()
	if err != nil || len(left) != 1 || left[0].ID != lines[0].ID {
		t.Fatalf("%v, left are %+v", err, left)
	}
	runLines(t, j, left)
	for range 2 { // the second changes nothing
		if v, err := j.Merge(t.Context(), lines[0].Folder); v != verdict.Passed || err != nil {
			t.Errorf("with all cells: %v, %v", v, err)
		}
	}
	h, err := history.Load(out)
	if err != nil || len(h.Nights) != 1 || h.Nights[0].End == nil || len(h.Nights[0].Cells) != 3 {
		t.Errorf("%v, the history is %+v", err, h)
	}
	if text, err := os.ReadFile(filepath.Join(out, history.File)); err != nil || strings.Count(string(text), "\n") != 5 {
		t.Errorf("%v, the plan, three cells and the end are\n%s", err, text)
	}
	if left, err := j.Begin(); err != nil || len(left) != 3 || left[0].Night != firstNight+".2" {
		t.Errorf("%v, the next night has %+v", err, left)
	}
}

// A cell that is there twice, and one that the list does not name, are in the history by name, and
// the night is red.
func TestDoubledAndForeignCells(t *testing.T) {
	for id, check := range map[string]func(history.Night) string{
		"tree/s/default/real": func(n history.Night) string {
			c, _ := n.Cell("tree/s/default/real")
			return c.Outcome("").String() + ": " + c.Trouble
		},
		"canary": func(n history.Night) string { return strings.Join(n.Notes, "") },
	} {
		w, out, said := newWorld(t), t.TempDir(), &teller{}
		j := w.job(out, said)
		lines, err := j.Begin()
		if err != nil {
			t.Fatal(err)
		}
		runLines(t, j, lines)
		dir := lines[0].Folder
		if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "tree/s/default/real"))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "copy", RanFile)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(strings.Replace(string(text), `"id": "tree/s/default/real"`, `"id": "`+id+`"`, 1)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if v, err := j.Merge(t.Context(), dir); v != verdict.Unjudged || err != nil {
			t.Errorf("%s: %v, %v", id, v, err)
		}
		h, err := history.Load(out)
		want := map[string]string{
			"tree/s/default/real": "did not run: it is there 2 times, in copy and tree/s/default/real; remove all but one",
			"canary":              "copy is the folder of the cell canary, which the list does not name",
		}[id]
		if got := check(h.Nights[0]); err != nil || got != want {
			t.Errorf("%s: %v, got %q, want %q", id, err, got, want)
		}
	}
}

// The folder of another night or of another history is refused, and nothing changes.
func TestMergeRefuses(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	if v := elsewhere(t, j); v != verdict.Passed {
		t.Fatal(v)
	}
	old := filepath.Join(out, nightsDir, firstNight)
	w.clock.now = first.AddDate(0, 0, 1)
	if _, err := j.Begin(); err != nil {
		t.Fatal(err)
	}
	moved := t.TempDir()
	if err := os.CopyFS(moved, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(out, history.File))
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		old:         "the night 2026-09-01 is not the last one of " + out,
		moved:       moved + " is the folder of the night 2026-09-01 of another history",
		t.TempDir(): " has no list of cells; give the folder of a night",
	} {
		if v, err := j.Merge(t.Context(), dir); v != verdict.Unjudged || blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, got %v, want %q", v, err, want)
		}
	}
	if after, err := os.ReadFile(filepath.Join(out, history.File)); err != nil || string(after) != string(before) {
		t.Errorf("%v, the history has changed", err)
	}
}

// As many cells run at the same time as may.
func TestWorkers(t *testing.T) {
	for _, tc := range []struct{ jobs, free, want int }{
		{1, 100_000, 1}, {3, 100_000, 3}, {3, 2*testsMB + 1, 2}, {3, 0, 1},
	} {
		var running, most atomic.Int32
		both := make(chan bool)
		var all []Cell
		for i := range 6 {
			all = append(all, Cell{Name: fmt.Sprint("cell", i)})
		}
		j := Job{Out: t.TempDir(), Cells: all, Report: &teller{}, Now: time.Now, Keep: 100, Jobs: tc.jobs, Free: func() (int, error) { return tc.free, nil }}
		j.Runner = scripted(func(_ context.Context, c Cell, _ string) (string, error) {
			now := running.Add(1)
			defer running.Add(-1)
			if now > most.Load() {
				most.Store(now)
			}
			if c.Name < fmt.Sprint("cell", tc.want) { // the first ones wait until all of them run
				if int(now) == tc.want {
					for range tc.want - 1 {
						both <- true
					}
				} else {
					<-both
				}
			}
			return "pass", nil
		})
		if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil || int(most.Load()) != tc.want {
			t.Errorf("-jobs %d with %d MB: %v, %v, %d ran at the same time, want %d", tc.jobs, tc.free, v, err, most.Load(), tc.want)
		}
	}
}

// sharing is a Runner that keeps what each cell got of the machine.
type sharing struct {
	scripted
	mu  sync.Mutex
	got map[string]worker.Share
}

func (s *sharing) Run(ctx context.Context, c Cell, a culprit.Attempt, share worker.Share, dir string) (history.Cell, error) {
	s.mu.Lock()
	s.got[c.Name] = share
	s.mu.Unlock()
	return s.scripted.Run(ctx, c, a, share, dir)
}

// Cells that run beside each other share the cores. One that needs the same kernel as a cell that
// runs begins behind the others.
func TestShares(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	third := make(chan bool)
	s := &sharing{got: make(map[string]worker.Share), scripted: func(_ context.Context, c Cell, _ string) (string, error) {
		switch c.Name {
		case "a":
			select {
			case <-third:
			case <-time.After(time.Minute):
				t.Error("c does not run beside a")
			}
		case "b":
			select {
			case <-third:
			default:
				t.Error("b has begun before c")
			}
		case "c":
			close(third)
		}
		return "pass", nil
	}}
	j := Job{Out: t.TempDir(), Report: &teller{}, Now: time.Now, Keep: 100, Jobs: 2, Runner: s,
		Cells: []Cell{{Name: "a", Base: "x"}, {Name: "b", Base: "x"}, {Name: "c", Base: "y"}}}
	if v, err := j.Night(t.Context()); v != verdict.Passed || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	for name, share := range s.got {
		if share.Cores != 3 || share.Item != name {
			t.Errorf("%s: got %+v, want 3 of 6 cores", name, share)
		}
	}
	if len(s.got) != 3 {
		t.Errorf("%d cells ran", len(s.got))
	}
}

// Two cells of which one would lie in the folder of the other are refused.
func TestNestedCells(t *testing.T) {
	for _, names := range [][]string{{"a/b", "a"}, {"a", "a/b/c"}, {"search/x"}, {"slurm"}, {"kubernetes/x"}, {"../x"}, {".hidden"}} {
		var all []Cell
		for _, name := range names {
			all = append(all, Cell{Name: name})
		}
		if p, err := plan(history.History{}, all, 0, first); err == nil {
			t.Errorf("%v: the plan is %v", names, p.Cells)
		}
	}
}
