// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/worker"
)

// world is what the fake runner of these tests runs in: a kernel tree and a checkout of this
// project, which are real git trees, and a series. What a run comes to depends on nothing but
// these, and on a random number for a test that is made to fail now and then.
type world struct {
	t       *testing.T
	tree    repo
	project repo

	commit  int               // of the tree: the kernel of tonight
	patches map[string]string // of the series: name to text
	foreign bool              // patches are the work of others
	tests   int               // commit of the project tonight
	config  string
	more    []string // tests beside TestA and TestB, which do what TestA does
	pkg     string   // Debian's package; "": the base is the tree
	qemu    string
	edits   string // of the tree that are not committed; "": there are none

	flaky  func(cell, test string) bool // fails now
	fault  func(cell string) error      // of the host
	slower map[string]float64           // factor of the duration of a cell
	random *rand.Rand
	runs   []string // attempts beside cells, for a test to look at
	clock  *clock
	takes  time.Duration // of a run
}

// repo is a git tree with one file, whose text is the number of the commit.
type repo struct {
	dir     string
	commits []string
}

func makeRepo(t *testing.T, name string, n int) repo {
	t.Helper()
	dir, commits := hosttest.GitTree(t, name, n)
	return repo{dir, commits}
}

// at is the number of a commit, or of what is checked out in a folder.
func (r repo) at(t *testing.T, commit, folder string) int {
	if folder == "" {
		return slices.Index(r.commits, commit)
	}
	return hosttest.CommitIn(t, folder)
}

func newWorld(t *testing.T) *world {
	return &world{t: t, clock: &clock{now: first}, takes: time.Minute, tree: makeRepo(t, "linux", 50), project: makeRepo(t, "project", 12), config: "CONFIG_A=y\n", qemu: "QEMU 7.2.22",
		patches: map[string]string{"0001-a.patch": "a", "0002-b.patch": "b", "0003-c.patch": "c"}, random: rand.New(rand.NewPCG(7, 7)), slower: map[string]float64{}}
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Run is that of a Runner. The kernel is bad for TestB from commit 27 of the tree to commit 47.
// A patch whose text has "BUG" in it is bad for TestA. One whose text needs another text applies
// only with it. The tests of the project are wrong from commit 6 to commit 8.
func (w *world) Run(_ context.Context, cell Cell, a culprit.Attempt, _ worker.Share, dir string) (history.Cell, error) {
	if a.Tests != nil || a.Replace || a.Tree != "" || a.Project != "" || strings.Contains(dir, "/"+searchDir+"/") {
		w.runs = append(w.runs, cell.Name)
	}
	w.clock.now = w.clock.now.Add(w.takes)
	if w.fault != nil {
		if err := w.fault(cell.Name); err != nil {
			return history.Cell{}, err
		}
	}
	c := history.Cell{Stage: history.StageTests, Verdict: "pass", Release: "6.12.0", Command: []string{"vmtest", "run", "-series", "s"}}
	in, patches := w.inputs(a, dir)
	c.Inputs = in
	if cell.Command == nil {
		w.test(&c, cell, a, patches)
	}
	return c, wire.WriteJSON(filepath.Join(dir, "run.json"), c)
}

// Judge is that of a Runner. The evidence is what the run came to.
func (w *world) Judge(dir string) (c history.Cell, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, err
}

// test says what becomes of the tests of a cell.
func (w *world) test(c *history.Cell, cell Cell, a culprit.Attempt, patches string) {
	in := c.Inputs
	if strings.Contains(patches, "needs:") {
		_, needed, _ := strings.Cut(patches, "needs:")
		if name, _, _ := strings.Cut(needed, "\n"); !strings.Contains(patches, "is:"+name) {
			c.Stage, c.Verdict, c.Trouble = history.StageBuild, "build", "it does not apply"
			return
		}
	}
	kernel, tests := w.tree.at(w.t, in.Commit, a.Tree), w.project.at(w.t, in.Project, a.Project)
	if w.edits == "break" && in.Commit == "" || in.Package == "linux 2" {
		kernel = 30
	}
	for _, name := range slices.Concat([]string{"p.TestA", "p.TestB"}, w.more) {
		bad := name == "p.TestB" && kernel >= 27 && kernel < 48 || name != "p.TestB" && strings.Contains(patches, "BUG") || name == "p.TestA" && tests >= 6 && tests < 9
		if w.flaky != nil && w.flaky(cell.Name, name) {
			bad = true
		}
		t := history.Test{Name: name, Status: "pass", DurationS: 1}
		if bad {
			t.Status, t.Telling, c.Verdict, c.Trouble = "fail", []string{"x_test.go:1: why"}, "fail", name+": fail, expected pass"
		}
		if a.Tests == nil || slices.Contains(a.Tests, name) {
			c.Tests = append(c.Tests, t)
		}
	}
	factor := max(1, w.slower[cell.Name])
	c.Figures = map[string]float64{history.DurationS: 40 * factor * (1 + 0.015*w.random.NormFloat64()), history.BootS: 3 * (1 + 0.015*w.random.NormFloat64())}
}

// inputs are those of an attempt, and the text of its patches. The folder has what a real run
// leaves there.
func (w *world) inputs(a culprit.Attempt, dir string) (history.Inputs, string) {
	in := history.Inputs{Base: "6.12.0 commit", Tree: w.tree.dir, Commit: w.tree.commits[w.commit], Config: digestOf(w.config), QEMU: w.qemu, Toolchain: "gcc 12",
		Tests: digestOf(fmt.Sprint(w.tests)), Project: w.project.commits[w.tests], Foreign: w.foreign}
	if w.pkg != "" {
		in.Base, in.Package, in.Tree, in.Commit = "6.12."+w.pkg[len(w.pkg)-1:]+" Debian", w.pkg, "", ""
	}
	if w.edits != "" && a.Commit == "" {
		in.Base, in.Commit = "6.12.0 commit, "+w.edits, ""
	}
	if a.Package != "" {
		in.Package = a.Package
	}
	if a.Commit != "" {
		in.Commit = a.Commit
	}
	if a.Config != "" {
		in.Config = filepath.Base(a.Config)
	}
	all := ""
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	add := func(name, text string) {
		in.Patches = append(in.Patches, history.Digest{Name: name, SHA256: digestOf(text)})
		write(filepath.Join(PatchesDir, name), text)
		all += text + "\n"
	}
	if a.Replace {
		for _, p := range a.Patches {
			text, err := os.ReadFile(p.Path)
			if err != nil {
				w.t.Fatal(err)
			}
			add(p.Name, string(text))
		}
	} else {
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for name := range w.patches {
				if !yield(name) {
					return
				}
			}
		}) {
			add(name, w.patches[name])
		}
	}
	write(ConfigFile, w.config)
	write("console.log", strings.Repeat("x", 1000))
	return in, all
}

// teller keeps what is said.
type teller struct{ said []string }

func (r *teller) Step(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *teller) Note(text string) { r.Step("%s", text) }

func (r *teller) Count(string, int, int, string) {}

// clock is a clock that is told what time it is.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// job is a job of three cells in a world.
func (w *world) job(out string, r *teller) Job {
	return Job{Out: out, Cells: []Cell{
		{Name: "tree/s/default/real"}, {Name: "tree/s/default/virtual"}, {Name: "tree/s/debug/real"},
	}, Runner: w, Report: r, Now: w.clock.Now, Search: time.Hour, Tries: 5, Keep: 100, Project: w.project.dir, Command: []string{"vmtest", "nightly"}}
}
