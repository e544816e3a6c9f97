// SPDX-License-Identifier: BSD-3-Clause

package culprit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/vmtest/history"
)

// bisection is a search over the commits of a git tree by "git bisect". It works in a clone
// that shares the objects of the tree, so that the tree is never written to. git keeps there
// how far the search came: when it was cut off, it goes on.
type bisection struct {
	repo, clone string
	good, bad   string // commits
	proveGood   bool   // try the good commit first: nobody has tried it with tonight's rest
}

// bisected is what a bisection found.
type bisected struct {
	good, bad string   // commits: the last known good and the first known bad
	subject   string   // of bad
	skipped   []string // commits between them that could not be tried
	badGood   bool     // the good commit fails, too, so that nothing was searched for
}

// String names the commit, or those among which it is.
func (b bisected) String() string {
	commit := fmt.Sprintf("commit %s (%q)", short(b.bad), b.subject)
	if n := len(b.skipped); n > 0 {
		commit += fmt.Sprintf(", or one of %d before it that could not be tried", n)
	}
	return commit
}

// Introduced is the commit, or the range in which it is.
func (b bisected) Introduced() string {
	if len(b.skipped) > 0 {
		return short(b.good) + ".." + short(b.bad)
	}
	return b.bad
}

// run bisects. try says what becomes of the checkout in the clone: a commit without a verdict
// is skipped. If try fails, the next run goes on behind the last commit that was tried.
func (b bisection) run(ctx context.Context, try func(context.Context) (history.Outcome, error)) (bisected, error) {
	if err := b.start(ctx); err != nil {
		return bisected{good: b.good, bad: b.bad}, err
	}
	if b.proveGood {
		bad, err := b.goodFails(ctx, try)
		if bad || err != nil {
			return bisected{good: b.good, bad: b.bad, badGood: bad}, err
		}
	}
	for {
		found, left, err := b.state(ctx)
		if err != nil || left <= 1 {
			return b.end(ctx, found, err)
		}
		outcome, err := try(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return found, err
		}
		word := map[history.Outcome]string{history.Good: "good", history.Bad: "bad"}[outcome]
		if word == "" {
			word = "skip"
		}
		_, err = b.git(ctx, "bisect", word)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 2 { // only skipped ones are left
			if found, _, err = b.state(ctx); err == nil {
				found.skipped, err = b.between(ctx)
			}
			return b.end(ctx, found, err)
		}
		if err != nil {
			return found, err
		}
	}
}

func (b bisection) git(ctx context.Context, args ...string) (string, error) {
	return sandbox.GitLine(ctx, b.clone, args...)
}

// start clones the tree and begins to bisect, unless that was done a night before.
func (b bisection) start(ctx context.Context) error {
	if _, err := b.git(ctx, "rev-parse", "--quiet", "--verify", "refs/bisect/bad"); err == nil {
		return nil
	} else if _, missing := os.Stat(b.clone); missing == nil { // it was cut off before it began
		if err := os.RemoveAll(b.clone); err != nil {
			return err
		}
	} else if !errors.Is(missing, fs.ErrNotExist) {
		return missing
	}
	if _, err := sandbox.GitLine(ctx, b.repo, "clone", "--quiet", "--shared", "--no-checkout", b.repo, b.clone); err != nil {
		return err
	}
	if b.proveGood {
		if _, err := b.git(ctx, "checkout", "--quiet", "--detach", b.good); err != nil {
			return err
		}
		return nil
	}
	return b.begin(ctx)
}

func (b bisection) begin(ctx context.Context) error {
	_, err := b.git(ctx, "bisect", "start", b.bad, b.good)
	return err
}

// goodFails tries the good commit, unless that was done before, and then begins to bisect.
func (b bisection) goodFails(ctx context.Context, try func(context.Context) (history.Outcome, error)) (bool, error) {
	if _, err := b.git(ctx, "rev-parse", "--quiet", "--verify", "refs/bisect/bad"); err == nil {
		return false, nil
	}
	outcome, err := try(ctx)
	switch {
	case err != nil:
		return false, err
	case outcome == history.Bad:
		return true, os.RemoveAll(b.clone)
	case outcome != history.Good:
		return false, fmt.Errorf("with commit %s there is no verdict", short(b.good))
	}
	return false, b.begin(ctx)
}

// state returns how far the search came, and how many commits are left.
func (b bisection) state(ctx context.Context) (found bisected, left int, err error) {
	if found.bad, err = b.git(ctx, "rev-parse", "refs/bisect/bad"); err != nil {
		return found, 0, err
	}
	if found.subject, err = b.git(ctx, "log", "-1", "--format=%s", found.bad); err != nil {
		return found, 0, err
	}
	found.good = b.good
	commits, err := b.between(ctx)
	if err == nil && len(commits) == 0 {
		found.good, err = b.git(ctx, "rev-parse", found.bad+"^")
	}
	return found, len(commits) + 1, err
}

// between returns the commits before the first known bad one that are not known to be good.
func (b bisection) between(ctx context.Context) ([]string, error) {
	text, err := b.git(ctx, "rev-list", "refs/bisect/bad", "--not", "--glob=refs/bisect/good-*")
	commits := strings.Fields(text)
	return commits[min(1, len(commits)):], err // the first is the bad one
}

// end removes the clone when the search is over.
func (b bisection) end(_ context.Context, found bisected, err error) (bisected, error) {
	if err != nil {
		return found, err
	}
	return found, os.RemoveAll(b.clone)
}
