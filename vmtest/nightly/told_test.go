// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/report"
)

// Each night leaves its figures, a line for each cell that measured some. Pruning keeps them.
func TestFiguresOfNight(t *testing.T) {
	w, out := newWorld(t), t.TempDir()
	j := w.job(out, &teller{})
	j.Cells = append(j.Cells, Cell{Name: "canary", Command: []string{"make", "canary"}})
	for day := range wholeNights + 1 {
		w.clock.now = first.AddDate(0, 0, day)
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, nightsDir, "2026-09-01", report.BenchFile))
	lines := regexp.MustCompile(`(?m)^BenchmarkVmtest/base=tree/series=s/config=(default|debug)/lane=(real|virtual) 1 [\d.]+ boot-sec [\d.]+ duration-sec$`).FindAll(text, -1)
	if err != nil || len(lines) != 3 || strings.Contains(string(text), "canary") {
		t.Errorf("%v, the figures are\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(out, nightsDir, "2026-09-01", "tree/s/default/real/console.log")); err == nil {
		t.Error("nothing was pruned")
	}
}

// The headlines are the news of the mail. Bad news are those that somebody has to look at.
func TestHeadlines(t *testing.T) {
	w, out := newWorld(t), t.TempDir()
	j := w.job(out, &teller{})
	j.Tries = 1
	for day, text := range []string{"a", "BUG", "a", "a"} {
		w.clock.now, w.patches["0001-a.patch"] = first.AddDate(0, 0, day), text
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	for night, want := range map[string]Headline{
		"2026-09-02": {Title: "fails: p.TestA on 3 cells", Text: "\n    culprit: patch 0001-a.patch", Bad: true},
		"2026-09-03": {Title: "fixed: p.TestA on 3 cells", Text: "since 2026-09-03"},
	} {
		got := Headlines(h, night)
		if len(got) != 1 || got[0].Title != want.Title || got[0].Bad != want.Bad || !strings.Contains(got[0].Text, want.Text) {
			t.Errorf("%s: got %+v, want %+v", night, got, want)
		}
	}
	if got := Headlines(h, "2026-09-04"); got != nil {
		t.Errorf("a night without news has the headlines %+v", got)
	}
}
