// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
)

// Keys in the configuration of a git tree that Edit made: the series' folder, the commit
// below the first patch, and the state of the folder and the last commit at the time when
// both had the same patches.
const (
	seriesKey = "vmtest.series"
	baseKey   = "vmtest.base"
	stateKey  = "vmtest.state"
	headKey   = "vmtest.head"
)

// Workplace is a series' folder and the git tree in which the series is edited.
type Workplace struct {
	Name   string // name of the series, as the user typed it
	Folder string // absolute path of the series' folder; that of a variant need not exist yet
	From   string // folder of the patches that Edit begins with; "" for Folder
	Dir    string // absolute path of the git tree

	Program string // how the user calls this program, for the commands in messages
}

// Command returns a line to paste: the verb "series WORD" for this workplace.
func (w Workplace) Command(word string) string {
	return shell.Quote(w.Program, "series", word, w.Name, w.Dir)
}

// Repository returns a bare git repository whose branch "base" is one commit of a base.
type Repository func() (string, error)

// Edit makes Dir a git tree of the base with one commit for each patch of the series in
// From. The user edits these commits and Export writes them back. If a patch does not
// apply, the tree stays in the middle of "git am", where the user continues; the error is a
// blame.BuildError that names the hunk and says what to type. version is the base's.
func (w Workplace) Edit(ctx context.Context, h host.Host, repository Repository, version string) error {
	from := cmp.Or(w.From, w.Folder)
	s, err := Load(ctx, h.Sandbox, filepath.Dir(from), filepath.Base(from))
	if err != nil {
		return err
	}
	for _, p := range s.Patches {
		if p.Author == "" || p.Subject == "" {
			return blame.Usagef("%s: a commit needs an author and a subject; put the lines \"From: NAME <ADDRESS>\" and \"Subject: ...\" and an empty line at the top of the patch", p.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(from, "series")); err != nil {
		return blame.Usagef("%s has no file \"series\", in which \"series export\" lists the patches; type \"%s\"", from, listCommand(from))
	}
	if err := w.checkOut(ctx, h, repository, version); err != nil {
		return err
	}
	if err := w.commitPatches(ctx, version, s); err != nil {
		return err
	}
	return rememberHead(ctx, w.Dir)
}

// checkOut makes Dir a git tree of the base without patches, and records that it belongs to
// Folder.
func (w Workplace) checkOut(ctx context.Context, h host.Host, repository Repository, version string) error {
	if w.taken() {
		return blame.Usagef("%s already exists and may hold work; use another folder: type \"%s\"", w.Dir, w.elsewhere().Command("edit"))
	}
	state, err := folderState(w.Folder)
	if err != nil {
		return err
	}
	repo, err := repository()
	if err != nil {
		return err
	}
	h.Report.Step("check out linux-%s into %s", version, w.Dir)
	if _, err := sandbox.Run(sandbox.Git(ctx, "", "clone", "-q", "--no-checkout", "--origin=vmtest", "--branch=base", repo, w.Dir)); err != nil {
		return err
	}
	commit, err := sandbox.GitLine(ctx, w.Dir, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"checkout", "-q", "-b", w.branch()},
		{"branch", "-q", "-D", "base"},
		{"tag", "linux-" + version, commit},
		{"remote", "remove", "vmtest"}, // the repository disappears with the cache
		{"config", baseKey, commit},
		{"config", stateKey, state},
		{"config", seriesKey, w.Folder}, // last: without it Export refuses the tree
	} {
		if _, err := sandbox.Run(sandbox.Git(ctx, w.Dir, args...)); err != nil {
			return err
		}
	}
	return rememberEdited(h, w.Folder, w.Dir)
}

var notInBranches = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// branch returns a name for the git branch. It is the series' name, and the release of a
// variant, without characters that git refuses.
func (w Workplace) branch() string {
	name := strings.Trim(notInBranches.ReplaceAllString(PlainName(w.Folder), "-"), "-.")
	if name == "" || name == "base" || strings.Contains(name, "..") || strings.HasSuffix(name, ".lock") {
		return "series"
	}
	return name
}

// AsCommits are options of "git am". With them a commit has the changelog and the files of its patch, as they are.
var AsCommits = []string{"--whitespace=nowarn", "--keep-non-patch", "--keep-cr", "--no-scissors"}

// commitPatches applies the series with "git am".
func (w Workplace) commitPatches(ctx context.Context, version string, s Series) error {
	if len(s.Patches) == 0 {
		return nil
	}
	// git gets the patches as vmtest read them: a file may have encoded mails, or several.
	tmp, err := os.MkdirTemp("", "vmtest-am-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	args := append([]string{"am", "-q", "--committer-date-is-author-date"}, AsCommits...)
	for _, p := range s.Patches {
		path := filepath.Join(tmp, p.Name)
		if err := os.WriteFile(path, p.Text, 0o644); err != nil {
			return err
		}
		args = append(args, path)
	}
	out, err := sandbox.Git(ctx, w.Dir, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if full := sandbox.DiskFull(out, "git am", w.Dir); full != nil || ctx.Err() != nil {
		return errors.Join(full, ctx.Err())
	}
	next, nerr := os.ReadFile(filepath.Join(w.Dir, ".git", "rebase-apply", "next"))
	var n int
	if _, serr := fmt.Sscan(string(next), &n); nerr != nil || serr != nil || n < 1 || n > len(s.Patches) {
		return fmt.Errorf("git am in %s: %w\n%s", w.Dir, err, sandbox.Tail(out, 20))
	}
	p := s.Patches[n-1]
	// Apply the hunks that fit, so that only the others are left. The command fails because
	// there are others.
	rejects, _ := sandbox.Git(ctx, w.Dir, "apply", "--reject", "--whitespace=nowarn", filepath.Join(".git", "rebase-apply", "patch")).CombinedOutput()
	where := p.FailedHunks(string(rejects))
	if where == nil { // a whole file is missing, or already exists
		where = []string{sandbox.Tail(rejects, 1)}
	}
	git := shell.Quote("git", "-C", w.Dir)
	return &blame.BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s: %s", p.Name, version, strings.Join(where, "; ")),
		Shown: fmt.Sprintf(`%[1]s has the patches before it, and those of its hunks that fit. Continue there: apply the
hunks in the *.rej files by hand, remove these files, and type

    %[2]s add -A
    %[2]s am --continue

If a later patch does not fit, this applies those of its hunks that do:

    %[2]s apply --reject .git/rebase-apply/patch

Write the patches back:

    %[3]s`, w.Dir, git, w.Command("export")),
	}
}
