// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
)

// findings are the last of each subject, with the night in which they were made.
func findings(t *testing.T, out string) map[string]history.Finding {
	t.Helper()
	h, err := history.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]history.Finding)
	for _, n := range h.Nights {
		for _, f := range n.Findings {
			all[strings.TrimSpace(f.Cell+" "+f.Test)] = f
		}
	}
	return all
}

// said is a finding in one line.
func told(f history.Finding) string {
	return fmt.Sprintf("%d/%d %d/%d %s | %s | %s | %s", f.Here.Failed, f.Here.N, f.There.Failed, f.There.N, f.Culprit, f.Evidence, f.Introduced, f.Why)
}

// Whatever changes between the last good night and the first bad one, the search names it.
func TestCulprits(t *testing.T) {
	const real = "tree/s/default/real"
	for name, tc := range map[string]struct {
		before, change func(*world)
		of, want       string
		runs           int // of the search; 0: not looked at
	}{
		"one patch": {nil, func(w *world) { w.patches["0003-c.patch"] = "BUG" }, real + " p.TestA",
			"3/3 0/3 patch 0003-c.patch | 3 of 3 fail with it, 0 of 3 without |  | ", 6},
		"the second of three patches": {nil, func(w *world) {
			w.patches = map[string]string{"0001-a.patch": "a2", "0002-b.patch": "BUG", "0003-c.patch": "c2"}
		}, real + " p.TestA", "3/3 0/3 patch 0002-b.patch | 3 of 3 fail with it, 0 of 3 without; the series passes up to the patch before it |  | ", 8},
		"the last of three patches": {nil, func(w *world) {
			w.patches = map[string]string{"0001-a.patch": "a2", "0002-b.patch": "b2", "0003-c.patch": "BUG"}
		}, real + " p.TestA", "3/3 0/3 patch 0003-c.patch | 3 of 3 fail with it, 0 of 3 without; the series passes up to the patch before it |  | ", 8},
		"patches that need each other": {nil, func(w *world) {
			w.patches = map[string]string{"0001-a.patch": "needs:x\n", "0002-b.patch": "is:x\n", "0003-c.patch": "BUG"}
		}, real + " p.TestA", "3/3 0/3 patch 0003-c.patch | 3 of 3 fail with it, 0 of 3 without; the series passes up to the patch before it |  | ", 8},
		"a patch that applies only with the culprit": {nil, func(w *world) {
			w.patches = map[string]string{"0001-a.patch": "needs:x\n", "0002-b.patch": "is:x\nBUG", "0003-c.patch": "c2"}
		}, real + " p.TestA", "3/3 0/3 patch 0002-b.patch, or one before it: the series does not build with 0001-a.patch alone | " +
			"3 of 3 fail with it, 0 of 3 without; the series passes up to the patch before it |  | ", 8},
		"a patch that is new": {nil, func(w *world) { w.patches["0004-d.patch"] = "BUG" }, real + " p.TestA",
			"3/3 0/3 patch 0004-d.patch | 3 of 3 fail with it, 0 of 3 without |  | ", 6},
		"a patch that was taken out": {func(w *world) { w.patches["0001-a.patch"] = "needs:x\n"; w.patches["0003-c.patch"] = "is:x\n" },
			func(w *world) { delete(w.patches, "0003-c.patch") }, real,
			"1/1 0/1 patch 0003-c.patch | 1 of 1 fail with it, 0 of 1 without |  | ", 2},
		"a patch of others": {func(w *world) { w.foreign = true }, func(w *world) { w.patches["0003-c.patch"] = "BUG" }, real + " p.TestA",
			"3/3 0/3 patch 0003-c.patch | 3 of 3 fail with it, 0 of 3 without |  | ", 6},
		"the series of others before": {func(w *world) { w.foreign = true }, func(w *world) { w.foreign, w.patches["0003-c.patch"] = false, "BUG" }, real + " p.TestA",
			"0/0 0/0  |  |  | the search ended: the patches of that night were the work of others, and tonight the cell has a series of this checkout: they are not built in its place", 0},
		"the base as a git tree": {nil, func(w *world) { w.commit = 40 }, real + " p.TestB",
			"3/3 0/3 the base: commit COMMIT27 (\"linux: Do step 27\") | 3 of 3 fail with it, 0 of 3 without; bisected COMMIT00..COMMIT40 | WHOLE27 | ", 0},
		"Debian's package": {func(w *world) { w.pkg = "linux 1" }, func(w *world) { w.pkg = "linux 2" }, real + " p.TestB",
			"3/3 0/3 the base: linux 2, after linux 1 | 3 of 3 fail with it, 0 of 3 without | v6.12.1..v6.12.2 | ", 6},
		"the base, while patches change": {nil, func(w *world) { w.commit = 30; w.patches["0001-a.patch"] = "a2" }, real + " p.TestB",
			"3/3 0/3 the base: commit COMMIT27 (\"linux: Do step 27\") | 3 of 3 fail with it, 0 of 3 without, and it fails with no other change than that of the base; bisected COMMIT00..COMMIT30 | WHOLE27 | ", 0},
		"our tests, while the base moves": {nil, func(w *world) { w.commit, w.tests = 5, 7 }, real + " p.TestA",
			"3/3 3/3 our tests: commit PROJECT6 (\"project: Do step 6\") | 3 of 3 fail on the last good kernel, too; bisected PROJECT0..PROJECT7 of project |  | ", 0},
		"QEMU": {nil, func(w *world) {
			w.qemu = "QEMU 8"
			w.flaky = func(_, test string) bool { return test == "p.TestA" }
		}, real + " p.TestA", "3/3 0/0 QEMU: QEMU 8, after QEMU 7.2.22 | the kernel is the same, and nothing else differs |  | ", 3},
		"QEMU, while our tests move": {nil, func(w *world) {
			w.qemu, w.tests = "QEMU 8", 2
			w.flaky = func(_, test string) bool { return test == "p.TestA" }
		}, real + " p.TestA", "3/3 0/0 QEMU: QEMU 8, after QEMU 7.2.22 | the kernel is the same; and with the tests of the last good night, and nothing else differs |  | ", 4},
		"nothing that is known": {nil, func(w *world) { w.flaky = func(_, test string) bool { return test == "p.TestA" } }, real + " p.TestA",
			"3/3 0/0  |  |  | the kernel is the same, and no input differs: it is the host, or it fails more rarely than was tried", 3},
		"it does not build": {nil, func(w *world) { w.patches["0003-c.patch"] = "needs:x" }, real,
			"1/1 0/1 patch 0003-c.patch | 1 of 1 fail with it, 0 of 1 without |  | ", 2},
		"edits that are not committed": {func(w *world) { w.edits = "fine" }, func(w *world) { w.edits = "break" }, real + " p.TestB",
			"3/3 0/0  |  |  | the base of 2026-09-01 was not committed, so that its kernel cannot be made again; compare what is listed as changed", 3},
		"edits behind a commit": {nil, func(w *world) { w.edits = "break" }, real + " p.TestB",
			"3/3 0/3 the base: 6.12.0 commit, break, after 6.12.0 commit | 3 of 3 fail with it, 0 of 3 without |  | ", 6},
		"a flake": {nil, func(w *world) {
			n := 0
			w.flaky = func(cell, test string) bool {
				if test != "p.TestB" || cell != real {
					return false
				}
				n++
				return n <= 2
			}
		}, real + " p.TestB", "1/3 0/0  |  |  | flaky: it does not fail each time", 3},
	} {
		w, out, said := newWorld(t), t.TempDir(), &teller{}
		j := w.job(out, said)
		j.Tries = 3
		if tc.before != nil {
			tc.before(w)
		}
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock.now = first.AddDate(0, 0, 1)
		tc.change(w)
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var names []string
		for i, commit := range w.tree.commits {
			names = append(names, fmt.Sprintf("COMMIT%02d", i), commit[:12], fmt.Sprintf("WHOLE%02d", i), commit)
		}
		for i, commit := range w.project.commits {
			names = append(names, fmt.Sprintf("PROJECT%d", i), commit[:12])
		}
		want := strings.NewReplacer(names...).Replace(tc.want)
		f, ok := findings(t, out)[tc.of]
		if got := told(f); !ok || got != want || !f.Done {
			t.Errorf("%s: got\n%s\nwant\n%s\nsaid %q", name, got, want, said.said)
		}
		runs := 0
		for _, cell := range w.runs {
			if cell == real {
				runs++
			}
		}
		if tc.runs > 0 && runs != tc.runs {
			t.Errorf("%s: the search ran %d times, want %d", name, runs, tc.runs)
		}
	}
}

// Two tests that begin to fail in one night, each by a change of its own, have each its own
// culprit. A third that does what the first does shares that of the first.
func TestTwoCulprits(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	j.Cells, j.Tries, j.Search = j.Cells[:1], 2, 10*time.Hour
	w.more = []string{"p.TestAToo"}
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.now = first.AddDate(0, 0, 1)
	w.commit, w.patches["0001-a.patch"], w.patches["0003-c.patch"] = 40, "a BUG", "c2"
	if _, err := j.Night(t.Context()); err != nil {
		t.Fatal(err)
	}
	const cell = "tree/s/default/real "
	all := findings(t, out)
	for test, want := range map[string]string{
		"p.TestA": "patch 0001-a.patch", "p.TestAToo": "patch 0001-a.patch", "p.TestB": "the base: commit " + w.tree.commits[27][:12] + ` ("linux: Do step 27")`,
	} {
		if f := all[cell+test]; f.Culprit != want {
			t.Errorf("%s: got %s, want %s", test, told(f), want)
		}
	}
	if got := all[cell+"p.TestAToo"].Evidence; !strings.HasPrefix(got, "it does the same as p.TestA tree/s/default/real: ") {
		t.Errorf("got the evidence %q", got)
	}
}

// A search for which the budget of one night has no room goes on in the next ones, does
// nothing twice, and finds the same.
func TestSearchGoesOn(t *testing.T) {
	w, out, said := newWorld(t), t.TempDir(), &teller{}
	j := w.job(out, said)
	j.Cells, j.Tries = j.Cells[:1], 2
	j.Search = 90 * time.Second // two runs
	nights := 0
	for ; nights < 20; nights++ {
		w.clock.now = first.AddDate(0, 0, nights)
		if nights == 1 {
			w.commit = 40
		}
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f := findings(t, out)["tree/s/default/real p.TestB"]; f.Done {
			break
		}
	}
	f := findings(t, out)["tree/s/default/real p.TestB"]
	if f.Introduced != w.tree.commits[27] || f.Here.N != 2 || f.There.N != 2 {
		t.Errorf("got %s", told(f))
	}
	if len(w.runs) > 2+2+6 || nights < 4 {
		t.Errorf("it took %d runs in %d nights", len(w.runs), nights)
	}
	h, err := history.Load(out)
	if err != nil || !slices.Contains(h.Nights[1].Notes, culprit.ErrLater.Error()) {
		t.Errorf("%v, the notes are %q", err, h.Nights[1].Notes)
	}
	if left, err := os.ReadDir(filepath.Join(out, searchDir)); err != nil || len(left) > 0 {
		t.Errorf("%v, it left %v", err, left)
	}
}
