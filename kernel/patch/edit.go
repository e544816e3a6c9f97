// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// Names in the configuration of a git tree made by Edit: the series' folder,
// the commit under its first patch, and the state of the folder and the last
// commit when the two were last the same.
const (
	seriesKey = "vmtest.series"
	baseKey   = "vmtest.base"
	stateKey  = "vmtest.state"
	headKey   = "vmtest.head"
)

// Edit makes dir a git tree of the base with a commit for every patch of the
// series in folder, to be changed and then given to Export. A patch that does
// not apply leaves the tree in the middle of "git am", to be gone on with there;
// the BuildError names the hunk and what to type.
//
// repository makes a bare git repository whose branch "base" is one commit of the
// base, and version is the base's.
func Edit(ctx context.Context, h host.Host, repository func() (string, error), version, folder, dir string) error {
	s, err := LoadSeries(ctx, h.Sandbox, filepath.Dir(folder), filepath.Base(folder))
	if err != nil {
		return err
	}
	for _, p := range s.Patches {
		if p.Author == "" || p.Subject == "" {
			return blame.Usagef("%s: no commit can be made of it without an author and a subject; put the lines \"From: NAME <ADDRESS>\" and \"Subject: ...\" and an empty line on top of it", p.Name)
		}
	}
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return blame.Usagef("%s is there already, and may hold work: export it and remove it, or name another folder", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &blame.UsageError{Err: err}
	}
	state, err := folderState(folder)
	if err != nil {
		return err
	}
	repo, err := repository()
	if err != nil {
		return err
	}
	h.Report.Step("check out linux-%s into %s", version, dir)
	if _, err := sandbox.Run(sandbox.Git(ctx, "", "clone", "-q", "--no-checkout", "--origin=vmtest", "--branch=base", repo, dir)); err != nil {
		return err
	}
	commit, err := sandbox.GitLine(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"checkout", "-q", "-b", s.Name},
		{"branch", "-q", "-D", "base"},
		{"tag", "linux-" + version, commit},
		{"remote", "remove", "vmtest"}, // it goes with the cache
		{"config", baseKey, commit},
		{"config", stateKey, state},
		{"config", seriesKey, folder}, // last: without it Export takes the tree for no series
	} {
		if _, err := sandbox.Run(sandbox.Git(ctx, dir, args...)); err != nil {
			return err
		}
	}
	if err := rememberEdited(h, folder, dir); err != nil {
		return err
	}
	if err := commitPatches(ctx, version, s, dir); err != nil {
		return err
	}
	return rememberHead(ctx, dir)
}

// commitPatches applies the series by "git am".
func commitPatches(ctx context.Context, version string, s Series, dir string) error {
	if len(s.Patches) == 0 {
		return nil
	}
	// What was read is what is applied: a file may hold encoded mails, or several.
	tmp, err := os.MkdirTemp("", "vmtest-am-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	args := []string{"am", "-q", "--committer-date-is-author-date", "--whitespace=nowarn", "--keep-non-patch", "--keep-cr", "--no-scissors"}
	for _, p := range s.Patches {
		path := filepath.Join(tmp, p.Name)
		if err := os.WriteFile(path, p.Text, 0o644); err != nil {
			return err
		}
		args = append(args, path)
	}
	out, err := sandbox.Git(ctx, dir, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if full := sandbox.DiskFull(out, "git am", dir); full != nil || ctx.Err() != nil {
		return errors.Join(full, ctx.Err())
	}
	next, nerr := os.ReadFile(filepath.Join(dir, ".git", "rebase-apply", "next"))
	var n int
	if _, serr := fmt.Sscan(string(next), &n); nerr != nil || serr != nil || n < 1 || n > len(s.Patches) {
		return fmt.Errorf("git am in %s: %w\n%s", dir, err, sandbox.Tail(out, 20))
	}
	p := s.Patches[n-1]
	// The hunks that fit are applied, so that only those that do not are left;
	// it exits with an error as they are.
	rejects, _ := sandbox.Git(ctx, dir, "apply", "--reject", "--whitespace=nowarn", filepath.Join(".git", "rebase-apply", "patch")).CombinedOutput()
	where := p.FailedHunks(string(rejects))
	if where == nil { // a whole file is missing, or in the way
		where = []string{sandbox.Tail(rejects, 1)}
	}
	return &blame.BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s: %s", p.Name, version, strings.Join(where, "; ")),
		Shown: fmt.Sprintf(`%s holds the patches before it, and of it the hunks that fit; go on there:
    put in by hand what *.rej files hold, and remove them
    git add FILES
    git am --continue        (and if a later patch does not fit: git apply --reject .git/rebase-apply/patch)
then write the patches back: vmtest series export %s %s`, dir, s.Name, dir),
	}
}
