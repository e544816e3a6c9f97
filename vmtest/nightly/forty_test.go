// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"timens-vmtest/vmtest/history"
)

var update = flag.Bool("update", false, "record the history of forty nights anew")

// recordedFolder has the history of forty nights, for this test and for the page.
const recordedFolder = "testdata/forty"

// first is when the first of the forty nights begins.
var first = time.Date(2026, 9, 1, 1, 0, 0, 0, time.UTC)

// fortyNights runs 42 nights on which things happen, each at a night that is known.
func fortyNights(t *testing.T, out string) *world {
	w := newWorld(t)
	w.commit = 10
	w.flaky = func(string, string) bool { return false }
	said := &teller{}
	j := w.job(out, said)
	flaked := 0
	for i := range 42 {
		w.clock.now = first.AddDate(0, 0, i)
		switch i {
		case 5: // two patches change, and one of them is at fault
			w.patches["0001-a.patch"], w.patches["0002-b.patch"] = "a2", "b BUG"
		case 8:
			w.patches["0002-b.patch"] = "b2"
		case 12: // the base moves over 35 commits
			w.commit = 45
		case 15:
			w.commit = 49
		case 18: // our tests move over 5 commits
			w.tests = 7
		case 20:
			w.tests = 10
		case 22: // fails once in three runs, first in this night
			w.flaky = func(cell, test string) bool {
				if cell != "tree/s/debug/real" || test != "p.TestB" {
					return false
				}
				flaked++
				return flaked%3 == 1
			}
		case 25:
			w.slower["tree/s/default/real"] = 1.1
		case 30:
			continue // nobody starts the night
		case 33: // the host crashed while it wrote
			tear(t, out)
		}
		if w.fault = nil; i == 35 {
			w.fault = func(cell string) error {
				if cell == "tree/s/default/virtual" {
					return &os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
				}
				return nil
			}
		}
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatalf("night %d: %v\n%s", i, err, strings.Join(said.said, "\n"))
		}
	}
	return w
}

// tear appends half a line.
func tear(t *testing.T, out string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(out, history.File), os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"schema":1,"night":"2026-10-03","cell":{"na`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// news is what a night says: of each piece one line, with what is known of it.
func news(h history.History, night string) string {
	var all []string
	for _, s := range h.States(night) {
		if !s.News {
			continue
		}
		line := strings.TrimSpace(fmt.Sprintf("%s: %s %s", s.Kind, s.Cell, s.Test))
		if s.Kind == history.Fixed || s.Kind == history.NewFailure {
			line += fmt.Sprintf(" since %s, good %s", s.Since[5:], s.LastGood[5:])
		}
		if f := s.Finding; f != nil {
			line += fmt.Sprintf(", %d/%d and %d/%d", f.Here.Failed, f.Here.N, f.There.Failed, f.There.N)
			if f.Culprit != "" {
				line += ", " + f.Culprit
			}
		}
		all = append(all, line)
	}
	for _, s := range h.Steps(night) {
		if s.News(night) {
			all = append(all, fmt.Sprintf("step: %s %s since %s, %+.0f %%", s.Cell, s.Figure, s.Night[5:], s.Percent()))
		}
	}
	for _, date := range h.Missed(night) {
		all = append(all, "missed: "+date)
	}
	return strings.Join(all, "\n")
}

// In 42 nights each thing that happens is told once, in the night in which it happened, with
// what caused it. In all other nights there is no mail.
func TestFortyNights(t *testing.T) {
	out := t.TempDir()
	w := fortyNights(t, out)
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	cells := []string{"tree/s/default/real", "tree/s/default/virtual", "tree/s/debug/real"}
	each := func(format string) string {
		var all []string
		for _, c := range cells {
			all = append(all, fmt.Sprintf(format, c))
		}
		return strings.Join(all, "\n")
	}
	want := map[int]string{
		5:  each("new failure: %s p.TestA since 09-06, good 09-05, 5/5 and 0/5, patch 0002-b.patch"),
		8:  each("fixed: %s p.TestA since 09-09, good 09-05"),
		12: each(`new failure: %s p.TestB since 09-13, good 09-12, 5/5 and 0/5, the base: commit ` + w.tree.commits[27][:12] + ` ("linux: Do step 27")`),
		15: each("fixed: %s p.TestB since 09-16, good 09-12"),
		18: each(`new failure: %s p.TestA since 09-19, good 09-18, 5/5 and 0/0, our tests: commit ` + w.project.commits[6][:12] + ` ("project: Do step 6")`),
		20: each("fixed: %s p.TestA since 09-21, good 09-18"),
		22: "unstable: tree/s/debug/real p.TestB, 1/5 and 0/0",
		29: "step: tree/s/default/real duration_s since 09-26, +11 %", // ten and some noise
		31: "missed: 2026-10-01",
		35: "did not run: tree/s/default/virtual\ndid not run: tree/s/debug/real",
	}
	for i := range 42 {
		night := first.AddDate(0, 0, i).Format(time.DateOnly)
		if got := news(h, night); got != want[i] {
			t.Errorf("night %d, %s: got\n%s\nwant\n%s", i, night, got, want[i])
		}
		text, err := os.ReadFile(filepath.Join(out, nightsDir, night, MailFile))
		if (err == nil) != (want[i] != "") {
			t.Errorf("night %d: %v, the mail is %q", i, err, text)
		}
	}
	if n, _ := h.Night("2026-10-04"); !slices.ContainsFunc(n.Notes, func(s string) bool { return strings.Contains(s, "was cut off: its 44 bytes") }) {
		t.Errorf("the torn line is not said: %q", n.Notes)
	}
	if n, _ := h.Night("2026-10-06"); n.End == nil || !strings.Contains(n.End.Why, "the disk is full, and 2 cells did not run") {
		t.Errorf("the full disk ended the night so: %+v", n.End)
	}
	if left, err := os.ReadDir(filepath.Join(out, searchDir)); err != nil || len(left) > 0 {
		t.Errorf("%v, searches left %v", err, left)
	}
	record(t, w, out)
}

// record keeps the history of the forty nights and their mails, if that is asked for. Else it
// compares them with what was kept.
func record(t *testing.T, w *world, out string) {
	t.Helper()
	plain := strings.NewReplacer(w.tree.dir, "/src/linux", out, "/nights")
	for i := range 43 {
		from, to := filepath.Join(out, history.File), filepath.Join(recordedFolder, history.File)
		if i < 42 {
			night := first.AddDate(0, 0, i).Format(time.DateOnly)
			from, to = filepath.Join(out, nightsDir, night, MailFile), filepath.Join(recordedFolder, night+".txt")
		}
		text, err := os.ReadFile(from)
		if err != nil {
			continue
		}
		got := plain.Replace(string(text))
		if *update {
			if err := os.MkdirAll(recordedFolder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(to); err != nil || got != string(want) {
			t.Errorf("%s is not as it was recorded, %v: go test ./vmtest/nightly -update, and look at git diff", to, err)
		}
	}
}
