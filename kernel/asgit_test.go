// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

var asGitPatches = flag.Int("asgit", 200, "how many patches TestAppliesAsGitDoes makes")

// The measure is git: of every patch, our tree is git's tree byte for byte, or we refuse
// it. What git refuses, we refuse. Each shard makes its patches from a seed of its own.
func TestAppliesAsGitDoes(t *testing.T) {
	const shards = 4
	var tally tally
	t.Run("shards", func(t *testing.T) {
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				g := newGitBench(t, uint64(shard))
				for n := range *asGitPatches / shards {
					g.one(n, &tally)
				}
			})
		}
	})
	tally.check(t, *asGitPatches)
}

// tally counts how the patches of each kind came out, so that a test in which nearly
// all are refused fails.
type tally struct {
	sync.Mutex
	equal, all map[string]int
}

func (y *tally) add(words []string, equal bool) {
	y.Lock()
	defer y.Unlock()
	if y.all == nil {
		y.equal, y.all = make(map[string]int), make(map[string]int)
	}
	for _, w := range append(words, "all") {
		y.all[w]++
		if equal {
			y.equal[w]++
		}
	}
}

// neverTaken are the kinds that vmtest refuses by name.
var neverTaken = []string{"submodule", "no-prefix", "drop a line", "double a line", "cut off", "plain -p0", "plain CRLF", "other context", "folder to file"}

func (y *tally) check(t *testing.T, n int) {
	for _, w := range slices.Sorted(maps.Keys(y.all)) {
		t.Logf("%-16s %3d of %3d taken, with git's tree", w, y.equal[w], y.all[w])
		if y.equal[w] == 0 && y.all[w] > 8 && !slices.Contains(neverTaken, w) {
			t.Errorf("no patch with %q was taken", w)
		}
	}
	if y.all["all"] != n/4*4 || y.equal["all"] < n/3 {
		t.Errorf("%d of %d patches were taken, want a third at least", y.equal["all"], n)
	}
}

// gitBench is a git tree in which patches are made and applied.
type gitBench struct {
	*testing.T
	rand *rand.Rand
	dir  string            // the git tree
	base source.Base       // the same files, without git
	want map[string]string // what the base holds
}

// oddNames are files whose names git quotes, or that -p1 could take for one another.
var oddNames = []string{"dir with space/n m.c", "quo\"ted.c", "ta\tb.c", "ünï.c", "latin-\xe9.c", "back\\slash.c", "tools/include/linux/w.h", "include/linux/w.h", "a/b/c.c", "b/c.c"}

func newGitBench(t *testing.T, seed uint64) *gitBench {
	g := &gitBench{T: t, rand: rand.New(rand.NewPCG(seed, 20)), dir: t.TempDir()}
	g.base = source.Base{Dir: t.TempDir(), Version: "6.12.1"}
	for i, name := range append([]string{"kernel/time/a.c", "kernel/time/b.c", "fs/x.c"}, oddNames...) {
		g.fill(name, numbered(i, 60))
	}
	g.fill("crlf.txt", strings.ReplaceAll(numbered(50, 30), "\n", "\r\n"))
	g.fill("noeol.c", strings.TrimSuffix(numbered(51, 20), "\n"))
	g.fill("latin1.c", strings.ReplaceAll(numbered(53, 20), "of", "\xe9"))
	g.fill("bin.dat", "\x00\x01"+numbered(52, 10))
	g.fill("run.sh", "#!/bin/sh\n"+numbered(54, 10))
	g.fill("empty.h", "")
	g.must(os.Chmod(filepath.Join(g.dir, "run.sh"), 0o755), os.Symlink("kernel/time/a.c", filepath.Join(g.dir, "link.c")), os.Symlink("kernel", filepath.Join(g.dir, "linked")))
	g.git("init", "-q")
	g.git("add", "-A")
	g.git("commit", "-qm", "base")
	g.git("tag", "base")
	g.want = snapshot(t, g.dir)
	if _, err := sandbox.Run(sandbox.Command(t.Context(), g.dir, nil, "cp", "-a", ".", g.base.Dir)); err != nil { // os.CopyFS takes no name that is not UTF-8
		t.Fatal(err)
	}
	g.must(os.RemoveAll(filepath.Join(g.base.Dir, ".git")))
	return g
}

func numbered(file, lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "line %d of %d;\n", i+1, file)
	}
	return b.String()
}

func (g *gitBench) must(errs ...error) {
	g.Helper()
	for _, err := range errs {
		if err != nil {
			g.Fatal(err)
		}
	}
}

// fill puts a file into the tree that is to be the base.
func (g *gitBench) fill(name, text string) {
	g.Helper()
	g.must(g.put(name, text))
}

func (g *gitBench) put(name, text string) error {
	path := filepath.Join(g.dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// try runs git with its defaults, as somebody who has no settings would.
func (g *gitBench) try(stdin []byte, args ...string) ([]byte, error) {
	cmd := sandbox.Git(g.Context(), g.dir, args...)
	cmd.Env = append(cmd.Env, "GIT_AUTHOR_NAME=Tess Tér", "GIT_AUTHOR_EMAIL=tess@example.org", "GIT_AUTHOR_DATE=1790000000 +0000", "GIT_COMMITTER_DATE=1790000000 +0000")
	cmd.Stdin = bytes.NewReader(stdin)
	return sandbox.Run(cmd)
}

func (g *gitBench) git(args ...string) []byte {
	g.Helper()
	out, err := g.try(nil, args...)
	g.must(err)
	return out
}

// snapshot is what a folder holds: type, mode and text of every file. git's own folder,
// and folders without files, are left out.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == ".git" {
			return filepath.SkipDir
		}
		rel, _ := filepath.Rel(dir, path) // path begins with dir
		switch info, err := e.Info(); {
		case err != nil:
			return err
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			files[rel] = entry(false, info.Mode()&0o100 != 0, text)
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			files[rel] = entry(true, false, []byte(to))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func entry(link, executable bool, text []byte) string {
	return fmt.Sprintf("link %t, executable %t, %q", link, executable, text)
}

// one makes a patch, and applies it by git and by us.
func (g *gitBench) one(n int, y *tally) {
	words, text, mail := g.patch()
	what := fmt.Sprintf("patch %d (%s)", n, strings.Join(words, ", "))
	gits, giterr := g.applyByGit(text, mail, words)
	path := filepath.Join(g.TempDir(), "x.patch")
	g.must(os.WriteFile(path, text, 0o644))
	ours, err := g.applyByUs(path)
	y.add(words, err == nil && giterr == nil)
	switch {
	case g.Context().Err() != nil:
		g.Fatal(g.Context().Err())
	case err == nil && giterr != nil:
		g.Errorf("%s: we take what git refuses: %v\n%s", what, giterr, text)
	case err == nil && !maps.Equal(ours, gits):
		for _, path := range slices.Sorted(maps.Keys(merged(ours, gits))) {
			if ours[path] != gits[path] {
				g.Errorf("%s: %q: ours is\n%.300s\nand git's\n%.300s\n%s", what, path, ours[path], gits[path], text)
			}
		}
	case err != nil && giterr == nil:
		g.Logf("%s: git takes it, we do not: %.400v", what, err)
	}
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func (g *gitBench) applyByGit(text []byte, mail bool, words []string) (map[string]string, error) {
	defer func() {
		// There is nothing to abort after what went well.
		_, _ = g.try(nil, "am", "--abort")
		g.git("reset", "-q", "--hard", "base")
		g.git("clean", "-fdxq")
	}()
	args := []string{"apply", "--index", "--whitespace=nowarn", "-"}
	if mail {
		args = []string{"am", "-q", "--whitespace=nowarn", "--quoted-cr=strip"}
		if !slices.Contains(words, "CRLF mail") {
			args = append(args, "--keep-cr")
		}
		if !slices.Contains(words, "base64 CRLF") {
			args[3] = "--quoted-cr=nowarn"
		}
	}
	if _, err := g.try(text, args...); err != nil {
		return nil, err
	}
	return snapshot(g.T, g.dir), nil
}

func (g *gitBench) applyByUs(path string) (map[string]string, error) {
	patches, err := patch.Load(g.Context(), sandbox.Box{}, path)
	if err != nil {
		return nil, err
	}
	return g.applied(patches)
}

// applied are the files of the base with patches applied by us.
func (g *gitBench) applied(patches []patch.Patch) (map[string]string, error) {
	over, err := apply(g.Context(), sandbox.Box{}, g.base, patches)
	if err != nil {
		return nil, err
	}
	files := maps.Clone(g.want)
	for path, f := range over {
		delete(files, path)
		if f != nil {
			files[path] = entry(f.link, f.executable, f.text)
		}
	}
	return files, nil
}
