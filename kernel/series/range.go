// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/patch"
)

// LoadRange makes a series of the commits BASE..HEAD of a git tree, and returns the base
// commit. Commits that change no file are skipped. If HEAD is what is checked out, changes
// that are not committed become one more patch on top. LoadRange writes nothing to the
// tree, and reports what it skips or leaves out.
func LoadRange(ctx context.Context, h host.Host, dir, commits string) (s Series, base string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return Series{}, "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	refused := func(err error) error { return blame.Usagef("-range %s of %s: %w", commits, dir, err) }
	base, head, err := ends(ctx, h.Report, dir, commits)
	if err != nil {
		return Series{}, "", refused(err)
	}
	s = Series{Name: printable(filepath.Base(dir)), InTree: true}
	if s.Patches, err = commitsOf(ctx, h, dir, base, head); err != nil {
		return Series{}, "", refused(err)
	}
	if at, err := sandbox.GitLine(ctx, dir, "rev-parse", "HEAD"); err != nil || at != head {
		return s, base, err
	}
	local, err := localPatch(ctx, h, dir)
	s.Patches = append(s.Patches, local...)
	return s, base, err
}

// printable returns a name without characters that would break a line of a report.
func printable(name string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return '_'
		}
		return c
	}, name)
}

// commitsOf makes patches of the commits after base up to head.
func commitsOf(ctx context.Context, h host.Host, dir, base, head string) ([]patch.Patch, error) {
	all, err := listCommits(ctx, dir, base, head)
	if err != nil {
		return nil, err
	}
	kept := 0
	for _, c := range all {
		if !c.empty {
			kept++
			continue
		}
		what := "it changes no file"
		if c.cover {
			what = "it is the cover letter of b4, and changes no file"
		}
		h.Report.Step("commit %.12s is skipped, as %s: %s", c.id, what, c.subject)
	}
	if kept == 0 {
		return nil, errors.New("none of its commits changes a file; give a range with one that does")
	}
	tmp, err := os.MkdirTemp("", "vmtest-range-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	return formatPatches(ctx, h.Sandbox, dir, base, head, all, tmp)
}

// ends returns the first and the last commit of a range. Each commit after the first must
// have the one before it as its only parent. If the branch BASE has new commits that HEAD
// does not have, the range begins at the last common commit, as for "git format-patch".
func ends(ctx context.Context, r host.Reporter, dir, commits string) (base, head string, err error) {
	from, to, ok := strings.Cut(commits, "..")
	if !ok || from == "" || strings.HasPrefix(to, ".") {
		return "", "", errors.New("it is not of the form BASE..HEAD")
	}
	if to == "" {
		to = "HEAD"
	}
	if err := wholeTree(ctx, r, dir); err != nil {
		return "", "", err
	}
	for i, commit := range []*string{&base, &head} {
		name := []string{from, to}[i]
		if *commit, err = sandbox.GitLine(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}"); err != nil {
			return "", "", fmt.Errorf("%s is no commit there%s", name, lacking(ctx, dir, name))
		}
	}
	if base == head {
		return "", "", errors.New("it is empty: both ends are the same commit")
	}
	fork, err := sandbox.GitLine(ctx, dir, "merge-base", base, head)
	if err != nil {
		return "", "", fmt.Errorf("%s and %s have no commit in common%s", from, to, lacking(ctx, dir, ""))
	}
	if fork == head {
		return "", "", fmt.Errorf("it is empty or reversed: %s does not come after %s", to, from)
	}
	if err := linear(ctx, dir, from, to, base, head); err != nil {
		return "", "", err
	}
	if fork != base {
		r.Step("%s has commits that %s does not have: the range begins at %.12s, their last common commit", from, to, fork)
	}
	return fork, head, nil
}

// wholeTree returns an error unless dir is the top of a git tree. It reports replaced and
// grafted commits.
func wholeTree(ctx context.Context, r host.Reporter, dir string) error {
	if _, err := sandbox.GitLine(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return fmt.Errorf("this is not a git tree: %w", err)
	}
	if below, err := sandbox.GitLine(ctx, dir, "rev-parse", "--show-prefix"); err != nil || below != "" {
		return errors.Join(fmt.Errorf("it is the folder %s of a git tree, not its top; pass the top with -tree", below), err)
	}
	replaced, err := sandbox.GitLine(ctx, dir, "for-each-ref", "--count=1", "refs/replace/")
	if err != nil {
		return err
	}
	common, err := sandbox.GitLine(ctx, dir, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Join(common, "info", "grafts")); replaced != "" || err == nil && info.Size() > 0 {
		r.Step("%s replaces or grafts commits (git replace -l): vmtest ignores that and tests the original commits", dir)
	}
	return nil
}

// lacking returns the end of a message about a commit that does not exist: what to type.
func lacking(ctx context.Context, dir, name string) string {
	if strings.Contains(name, "@{u") {
		return "; type \"git branch --set-upstream-to=REMOTE/BRANCH\" or name the base"
	}
	if shallow, err := sandbox.GitLine(ctx, dir, "rev-parse", "--is-shallow-repository"); err == nil && shallow == "true" {
		return fmt.Sprintf(": this clone is shallow; type \"%s\"", shell.Quote("git", "-C", dir, "fetch", "--unshallow"))
	}
	return ""
}

// linear returns an error if a commit after base up to head is a merge. The error says
// which range to use instead.
func linear(ctx context.Context, dir, from, to, base, head string) error {
	merges, err := sandbox.GitLine(ctx, dir, "rev-list", "--merges", "--topo-order", base+".."+head)
	if err != nil || merges == "" {
		return err
	}
	last, _, _ := strings.Cut(merges, "\n")
	instead := fmt.Sprintf("give -range %.12s..%s for the commits after it", last, to)
	if last == head {
		instead = fmt.Sprintf("give one side of it, such as -range %s..%.12s^1", from, last)
	}
	return fmt.Errorf("it is not linear: %.12s is a merge, and a merge cannot be a patch; %s, or make it linear by \"git rebase %s\"", last, instead, from)
}
