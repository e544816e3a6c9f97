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
	"syscall"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/worker"
)

// scripted is a Runner whose cells do what a function says, and leave a report.
type scripted func(ctx context.Context, c Cell, dir string) (verdict string, err error)

func (s scripted) Run(ctx context.Context, c Cell, _ culprit.Attempt, _ worker.Share, dir string) (history.Cell, error) {
	v, err := s(ctx, c, dir)
	text := fmt.Sprintf("verdict %s\nevidence %s\n", v, dir)
	in := history.Inputs{Package: "linux-source-6.12 1"}
	return history.Cell{Stage: history.StageTests, Verdict: v, CPUS: 2, Inputs: in}, errors.Join(err, os.WriteFile(filepath.Join(dir, "report.txt"), []byte(text), 0o644))
}

func (s scripted) Judge(dir string) (history.Cell, error) {
	text, err := os.ReadFile(filepath.Join(dir, "report.txt"))
	words := strings.Fields(string(text))
	if err != nil || len(words) < 2 {
		return history.Cell{}, fmt.Errorf("no report: %v", err)
	}
	return history.Cell{Stage: history.StageTests, Verdict: words[1]}, nil
}

func always(verdict string) scripted {
	return func(context.Context, Cell, string) (string, error) { return verdict, nil }
}

// newFolder is the folder of a night with a runner.
func newFolder(t *testing.T, r Runner) Folder {
	t.Helper()
	return Folder{Dir: t.TempDir(), Runner: r, Now: (&clock{now: first}).Now}
}

// lineOf is a line of a list.
func lineOf(id string) cells.Line {
	return cells.Line{Schema: 1, ID: id, Night: firstNight, Command: []string{"x"}, Keys: map[string]string{"project": "a"}}
}

// visible are the paths in a folder that are not hidden.
func visible(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") && path != dir {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

const cellA = "6.12/s/default/real"

// The folder of a cell is complete or not there: neither an interruption nor a full disk leaves a
// part of it, and what a killed process has left is no evidence.
func TestCellIsWhole(t *testing.T) {
	whole := cellA + "/cell.json " + cellA + "/report.txt"
	for name, tc := range map[string]struct {
		run  scripted
		want string
	}{
		"passes":         {always("pass"), whole},
		"fails":          {always("fail"), whole},
		"has no verdict": {always("unjudged"), whole},
		"the host fails": {func(context.Context, Cell, string) (string, error) { return "unjudged", errors.New("no QEMU") }, whole},
		"the disk is full": {func(_ context.Context, _ Cell, dir string) (string, error) {
			return "unjudged", &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
		}, ""},
	} {
		f := newFolder(t, tc.run)
		left := filepath.Join(f.Dir, runningDir, cellA, "left")
		if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o755), os.WriteFile(left, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		c, there, err := f.Run(t.Context(), Cell{Name: cellA}, lineOf(cellA))
		if got := visible(t, f.Dir); got != tc.want || there || (err != nil) != (tc.want == "") {
			t.Errorf("%s: %v, %v, there is %q, want %q", name, there, err, got, tc.want)
		}
		if _, err := os.Stat(filepath.Join(f.Dir, runningDir, cellA)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the folder in which it ran is left: %v", name, err)
		}
		if name == "the host fails" && (c.Stage != history.StageNone || c.Trouble != "no QEMU" || c.Verdict != "unjudged") {
			t.Errorf("%s: got %+v", name, c)
		}
		if name == "passes" && (c.CPUS != 2 || c.Began == "" || c.Verdict != "pass") {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := newFolder(t, scripted(func(context.Context, Cell, string) (string, error) {
		cancel()
		return "pass", nil
	}))
	_, _, err := f.Run(ctx, Cell{Name: cellA}, lineOf(cellA))
	if got := visible(t, f.Dir); !errors.Is(err, context.Canceled) || got != "" {
		t.Errorf("interrupted: %v, there is %q", err, got)
	}
}

// The reports of a cell name the folder in which they are, and not that in which it ran.
func TestReportsNameTheirFolder(t *testing.T) {
	f := newFolder(t, always("pass"))
	if _, _, err := f.Run(t.Context(), Cell{Name: cellA}, lineOf(cellA)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, cellA, "report.txt"))
	if want := "verdict pass\nevidence " + filepath.Join(f.Dir, cellA) + "\n"; err != nil || string(text) != want {
		t.Errorf("%v, got %q, want %q", err, text, want)
	}
}

// A cell that has a verdict is not run again. One that has none is, and what it left is kept aside.
func TestRunAgain(t *testing.T) {
	var verdicts, ran []string
	f := newFolder(t, scripted(func(_ context.Context, c Cell, _ string) (string, error) {
		ran = append(ran, c.Name)
		return verdicts[len(ran)-1], nil
	}))
	verdicts = []string{"unjudged", "fail", "pass"}
	for i, want := range []string{"unjudged", "fail", "fail"} {
		c, there, err := f.Run(t.Context(), Cell{Name: cellA}, lineOf(cellA))
		if err != nil || c.Verdict != want || there != (i == 2) {
			t.Errorf("run %d: %v, %v, got %s, want %s", i, err, there, c.Verdict, want)
		}
	}
	if len(ran) != 2 {
		t.Errorf("it ran %d times", len(ran))
	}
	if text, err := os.ReadFile(filepath.Join(f.Dir, runningDir, cellA+".unjudged", "report.txt")); err != nil || !strings.HasPrefix(string(text), "verdict unjudged") {
		t.Errorf("%v, aside is %q", err, text)
	}
	if err := os.WriteFile(filepath.Join(f.Dir, cellA, RanFile), nil, 0o644); err != nil { // as after a power cut
		t.Fatal(err)
	}
	if c, there, err := f.Run(t.Context(), Cell{Name: cellA}, lineOf(cellA)); err != nil || there || c.Verdict != "pass" {
		t.Errorf("not whole: %v, %v, got %s", err, there, c.Verdict)
	}
}

// A cell whose evidence has no verdict any more is left, and is run again.
func TestDamagedCell(t *testing.T) {
	f := newFolder(t, always("pass"))
	list := []cells.Line{lineOf(cellA)}
	run := func() bool {
		c, there, err := f.Run(t.Context(), Cell{Name: cellA}, list[0])
		if err != nil || c.Verdict != "pass" {
			t.Errorf("%v, got %s", err, c.Verdict)
		}
		return there
	}
	run()
	if left, err := f.Left(list); err != nil || len(left) != 0 || !run() {
		t.Errorf("whole: %v, left are %d", err, len(left))
	}
	if err := os.Remove(filepath.Join(f.Dir, cellA, "report.txt")); err != nil {
		t.Fatal(err)
	}
	if left, err := f.Left(list); err != nil || len(left) != 1 || run() {
		t.Errorf("damaged: %v, left are %d", err, len(left))
	}
}

// Two processes do not run one cell at the same time.
func TestCellRunsOnce(t *testing.T) {
	var second error
	runs := 0
	f := newFolder(t, nil)
	f.Runner = scripted(func(ctx context.Context, c Cell, _ string) (string, error) {
		if runs++; runs == 1 {
			_, _, second = f.Run(ctx, c, lineOf(c.Name))
		}
		return "pass", nil
	})
	if _, _, err := f.Run(t.Context(), Cell{Name: cellA}, lineOf(cellA)); err != nil || !errors.Is(second, errBusy) {
		t.Errorf("the first: %v, the second: %v", err, second)
	}
}

// A cell that the list does not have, or has made of something else, is refused before it runs.
func TestListedCell(t *testing.T) {
	f := newFolder(t, scripted(func(context.Context, Cell, string) (string, error) {
		t.Error("it ran")
		return "", nil
	}))
	if err := cells.Save(f.Dir, []cells.Line{lineOf(cellA)}); err != nil {
		t.Fatal(err)
	}
	other := lineOf(cellA)
	other.Keys = map[string]string{"project": "b"}
	for want, line := range map[string]cells.Line{
		"canary is not in the list of ":                                             lineOf("canary"),
		" has: project: b, and the list has a; use the checkout and the flags that": other,
	} {
		if _, _, err := f.Run(t.Context(), Cell{Name: line.ID}, line); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What is wrong with the folders of cells is named, and never green.
func TestExamine(t *testing.T) {
	const cellB = "6.12/s/debug/real"
	list := []cells.Line{lineOf(cellA), lineOf(cellB)}
	copyCell := func(t *testing.T, f Folder, to string) {
		if err := os.CopyFS(filepath.Join(f.Dir, to), os.DirFS(filepath.Join(f.Dir, cellA))); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		change func(*testing.T, Folder)
		want   string
		exit   int
	}{
		"all are there": {func(*testing.T, Folder) {}, cellA + ": pass|" + cellB + ": pass", 0},
		"absent": {func(t *testing.T, f Folder) {
			if err := os.RemoveAll(filepath.Join(f.Dir, cellB)); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": absent", 4},
		"doubled": {func(t *testing.T, f Folder) { copyCell(t, f, "copy") },
			cellA + ": unjudged, it is there 2 times, in " + cellA + " and copy; remove all but one|" + cellB + ": pass", 4},
		"in another place": {func(t *testing.T, f Folder) {
			if err := os.Rename(filepath.Join(f.Dir, cellB), filepath.Join(f.Dir, "moved")); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": unjudged, it is in the folder moved, and not in its own", 4},
		"foreign": {func(t *testing.T, f Folder) {
			if _, _, err := f.Run(t.Context(), Cell{Name: cellB}, lineOf(cellB)); err != nil {
				t.Fatal(err)
			}
			if err := cells.Save(f.Dir, list[:1]); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + " is the folder of the cell " + cellB + ", which the list does not name", 4},
		"of another night": {func(t *testing.T, f Folder) {
			other := slices.Clone(list)
			other[0].Night, other[1].Night = "2026-09-02", "2026-09-02"
			if err := cells.Save(f.Dir, other); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": unjudged, it is of the night 2026-09-01|" + cellB + ": unjudged, it is of the night 2026-09-01", 4},
		"made of something else": {func(t *testing.T, f Folder) {
			other := slices.Clone(list)
			other[1].Keys = map[string]string{"project": "b"}
			if err := cells.Save(f.Dir, other); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": unjudged, it was made of something else; remove its folder to run it again: project: a, and the list has b", 4},
		"of another version": {func(t *testing.T, f Folder) {
			path := filepath.Join(f.Dir, cellB, RanFile)
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.Replace(string(text), "6.12 1", "6.12 2", 1)), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": unjudged, it was made of linux-source-6.12 2, and " + cellA + " of linux-source-6.12 1", 4},
		"its file cannot be read": {func(t *testing.T, f Folder) {
			if err := os.WriteFile(filepath.Join(f.Dir, cellB, RanFile), []byte(`{"schema":9}`), 0o644); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": absent|" + cellB + " cannot be read: ", 4},
		"its evidence is gone": {func(t *testing.T, f Folder) {
			if err := os.Remove(filepath.Join(f.Dir, cellB, "report.txt")); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": unjudged, no report", 4},
		"of two commits": {func(t *testing.T, f Folder) {
			other := slices.Clone(list)
			other[1].Keys = map[string]string{"project": "b"}
			path := filepath.Join(f.Dir, cellB, RanFile)
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.Replace(string(text), `"project": "a"`, `"project": "b"`, 1)), 0o644)
			}
			if err := errors.Join(err, cells.Save(f.Dir, other)); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": pass|the night has more than one project: 1 cell of a, 1 cell of b", 0},
		"one fails": {func(t *testing.T, f Folder) {
			if err := os.WriteFile(filepath.Join(f.Dir, cellB, "report.txt"), []byte("verdict fail\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, cellA + ": pass|" + cellB + ": fail", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, always("pass"))
			if err := cells.Save(f.Dir, list); err != nil {
				t.Fatal(err)
			}
			for _, l := range list {
				if _, _, err := f.Run(t.Context(), Cell{Name: l.ID}, l); err != nil {
					t.Fatal(err)
				}
			}
			tc.change(t, f)
			found, err := f.Examine()
			if got := strings.Join(found.Lines(), "|"); err != nil || !strings.HasPrefix(got, tc.want) || found.Verdict().ExitCode() != tc.exit {
				t.Errorf("%v, exit code %d, got\n%s, want %d and\n%s", err, found.Verdict().ExitCode(), got, tc.exit, tc.want)
			}
		})
	}
	if _, err := newFolder(t, always("pass")).Examine(); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "has no cells.jsonl") {
		t.Errorf("no list: %v", err)
	}
}

// Cells of one base that were made of two versions of its package are no night.
func TestTwoVersions(t *testing.T) {
	made := func(name, pkg string) history.Cell {
		return history.Cell{Name: name, Stage: history.StageTests, Verdict: "pass", Inputs: history.Inputs{Package: pkg}}
	}
	all := []history.Cell{made("6.12/a", "linux-source-6.12 1"), made("7.3/a", "linux-source-7.3 5"), made("6.12/b", "linux-source-6.12 2"), made("tree/a", ""), made("6.12/c", "linux-source-6.12 1")}
	versions(all)
	var got []string
	for _, c := range all {
		got = append(got, strings.TrimSpace(c.Verdict+" "+c.Trouble))
	}
	if want := "pass|pass|unjudged it was made of linux-source-6.12 2, and 6.12/a of linux-source-6.12 1|pass|pass"; strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
}
