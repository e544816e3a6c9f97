// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// lines are some of every kind.
func lines() []Line {
	late := 0.25
	return []Line{
		{Night: "2026-11-01", Plan: &Plan{Began: "b", Cells: []string{"c", "d"}, LeftOut: []string{"e"}, Resting: []string{"f"}, Command: []string{"vmtest", "nightly"}}},
		{Night: "2026-11-01", Cell: &Cell{Name: "c", Stage: StageTests, Verdict: "fail", Tests: []Test{{Name: "T", Status: "fail", LatenessS: &late}}, Figures: map[string]float64{BootS: 1.5}}},
		{Night: "2026-11-01", Finding: &Finding{Cell: "c", Test: "T", FirstBad: "2026-11-01", Here: Tries{5, 5}, Culprit: "x", Done: true}},
		{Night: "2026-11-01", Note: "said"},
		{Night: "2026-11-01", End: &End{Ended: "e"}},
		{Night: "2026-11-02", Plan: &Plan{Began: "b", Cells: []string{"c"}}},
	}
}

func write(t *testing.T, dir string, all []Line) {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		if err := l.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is appended is what is read.
func TestAppend(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, lines()[:3])
	write(t, dir, lines()[3:])
	h, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want History
	for _, l := range lines() {
		want.add(l)
	}
	if !reflect.DeepEqual(h, want) || len(h.Nights) != 2 {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
	if f, ok := h.indexed().findings[failure{subject{"c", "T"}, "2026-11-01"}]; !ok || f.Culprit != "x" {
		t.Errorf("got the finding %+v", f)
	}
	if n, ok := h.Night("2026-11-01"); !ok || n.End == nil || n.Notes[0] != "said" {
		t.Errorf("got the night %+v", n)
	}
}

// A file that was cut off at any byte loses the line that was cut, and no other. The next
// line is whole again.
func TestTorn(t *testing.T) {
	whole := t.TempDir()
	write(t, whole, lines()[:3])
	text, err := os.ReadFile(filepath.Join(whole, File))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	for n := range len(text) + 1 {
		if err := os.WriteFile(path, text[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		count := bytes.Count(text[:n], []byte("\n"))
		torn := n > 0 && text[n-1] != '\n'
		if h, err := Load(dir); err != nil || len(flat(h)) != count {
			t.Fatalf("cut at %d: %v, %d lines, want %d", n, err, len(flat(h)), count)
		}
		l, err := Open(dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if (l.Mended != "") != torn {
			t.Errorf("cut at %d: said %q", n, l.Mended)
		}
		if err := l.Append(Line{Night: "2026-11-03", Note: "new"}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if h, err := Load(dir); err != nil || len(flat(h)) != count+1 {
			t.Fatalf("cut at %d, and one more: %v, %d lines, want %d", n, err, len(flat(h)), count+1)
		}
	}
	torn, err := os.ReadFile(filepath.Join(dir, TornFile))
	if err != nil || !bytes.Contains(torn, []byte(`{"schema":1,"night":"2026-11-01","plan":{`)) {
		t.Errorf("%v, the pieces are %.200s", err, torn)
	}
}

// flat are what the lines of a history held.
func flat(h History) (all []any) {
	for _, n := range h.Nights {
		if n.Plan.Began != "" {
			all = append(all, n.Plan)
		}
		for range len(n.Cells) + len(n.Findings) + len(n.Notes) {
			all = append(all, n)
		}
		if n.End != nil {
			all = append(all, n.End)
		}
	}
	return all
}

// A crash can leave zeros behind the last line, with an end of line or without.
func TestZeros(t *testing.T) {
	for _, tail := range []string{"\x00\x00\x00", "\x00\x00\n", "{}\n"} {
		dir := t.TempDir()
		write(t, dir, lines())
		path := filepath.Join(dir, File)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, tail...), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir)
		if err != nil || l.Mended == "" {
			t.Errorf("%q: %v, want it mended", tail, err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q: the file is not as it was before", tail)
		}
	}
}

// What this program cannot read is not thrown away.
func TestUnreadable(t *testing.T) {
	good := `{"schema":1,"night":"2026-11-01","note":"x"}` + "\n"
	for text, want := range map[string]string{
		good + "nonsense\n" + good:               "line 2: invalid character",
		good + "{}\n" + good:                     "line 2: it has no schema and night",
		good + `{"schema":2,"night":"n"}` + "\n": "line 2: schema 2, and this vmtest reads up to 1: a newer vmtest wrote it",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, File)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q was changed to %q", text, got)
		}
	}
}

// When a line cannot be written, because the disk is full for example, the file is as it was
// before, and the next line is whole.
func TestAppendFails(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	note := func(text string) Line { return Line{Night: "2026-11-01", Note: text} }
	if err := l.Append(note("first")); err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	// The first 100 bytes of the line fit.
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(l.size) + 100, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	failed := l.Append(note(strings.Repeat("x", 1000)))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(failed, syscall.EFBIG) {
		t.Errorf("got %v", failed)
	}
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil || info.Size() != l.size || len(flat(l.History)) != 1 {
		t.Errorf("%v, the file has %d bytes, want %d; the history has %d lines", err, info.Size(), l.size, len(flat(l.History)))
	}
	if err := l.Append(note("second")); err != nil {
		t.Fatal(err)
	}
	if h, err := Load(dir); err != nil || fmt.Sprint(h.Nights[0].Notes) != "[first second]" {
		t.Errorf("got %v, %+v", err, h)
	}
}
