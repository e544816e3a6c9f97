// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
)

// LoadRange makes a series of the commits BASE..HEAD of a git tree, and says
// which commit its base is. If HEAD is what is checked out, changes that are not
// committed are one more patch on top. Nothing is written to the tree.
func LoadRange(ctx context.Context, box sandbox.Box, dir, commits string) (s Series, base string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return Series{}, "", err
	}
	base, head, err := linear(ctx, dir, commits)
	if err != nil {
		return Series{}, "", blame.Usagef("-range %s of %s: %w", commits, dir, err)
	}
	s = Series{Name: filepath.Base(dir)}
	tmp, err := os.MkdirTemp("", "vmtest-range-")
	if err != nil {
		return Series{}, "", err
	}
	defer os.RemoveAll(tmp)
	s.Patches, err = formatPatches(ctx, box, dir, base+".."+head, tmp)
	if _, unfit := errors.AsType[*blame.BuildError](err); unfit { // such as a commit that changes nothing
		err = blame.Usagef("-range %s: %w", commits, err)
	}
	if err != nil {
		return Series{}, "", err
	}
	if at, err := sandbox.GitLine(ctx, dir, "rev-parse", "HEAD"); err != nil || at != head {
		return s, base, err
	}
	local, err := localChanges(ctx, dir)
	if err != nil || len(local) == 0 {
		return s, base, err
	}
	p, err := Parse(localName, local)
	if err != nil {
		return Series{}, "", err
	}
	p.Local, p.Subject = true, "changes in "+dir+" that are not committed"
	s.Patches = append(s.Patches, p)
	return s, base, nil
}

// localName is the file name of the patch for what is not committed.
const localName = "not-committed.patch"

// linear finds the commits at both ends of a range in which each commit has the
// one before it as its only parent.
func linear(ctx context.Context, dir, commits string) (base, head string, err error) {
	from, to, ok := strings.Cut(commits, "..")
	if !ok || from == "" || strings.HasPrefix(to, ".") {
		return "", "", errors.New("it is not of the form BASE..HEAD")
	}
	if to == "" {
		to = "HEAD"
	}
	if _, err := sandbox.GitLine(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return "", "", fmt.Errorf("there is no git tree: %w", err)
	}
	for i, commit := range []*string{&base, &head} {
		name := []string{from, to}[i]
		if *commit, err = sandbox.GitLine(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}"); err != nil {
			return "", "", fmt.Errorf("%s is no commit there; a shallow clone may lack it", name)
		}
	}
	if base == head {
		return "", "", errors.New("it is empty: both ends are the same commit")
	}
	fork, err := sandbox.GitLine(ctx, dir, "merge-base", base, head)
	if err != nil {
		return "", "", fmt.Errorf("%s and %s have no commit in common", from, to)
	}
	if fork == head {
		return "", "", fmt.Errorf("it is empty or backwards: %s does not come after %s", to, from)
	}
	if fork != base {
		return "", "", fmt.Errorf("it is not linear: %s is not on the way to %s, which left it at %.12s; rebase, or begin there", from, to, fork)
	}
	merges, err := sandbox.GitLine(ctx, dir, "rev-list", "--merges", base+".."+head)
	if err == nil && merges != "" {
		err = fmt.Errorf("it is not linear: %.12s is a merge, which no patch can be; make it linear by \"git rebase %s\"", merges, from)
	}
	return base, head, err
}

// localChanges are the changes of a git tree against its HEAD, in files that
// git tracks or would track. The index and the objects that this takes are
// copies.
func localChanges(ctx context.Context, dir string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "vmtest-changes-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	where := make(map[string]string)
	for _, name := range []string{"index", "objects"} {
		if where[name], err = sandbox.GitLine(ctx, dir, "rev-parse", "--path-format=absolute", "--git-path", name); err != nil {
			return nil, err
		}
	}
	index, objects := filepath.Join(tmp, "index"), filepath.Join(tmp, "objects")
	if err := errors.Join(os.Mkdir(objects, 0o755), cache.CopyFile(where["index"], index)); err != nil {
		return nil, err
	}
	aside := func(args ...string) ([]byte, error) {
		cmd := sandbox.Git(ctx, dir, args...)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+index,
			"GIT_OBJECT_DIRECTORY="+objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quoted(where["objects"]))
		return sandbox.Run(cmd)
	}
	if _, err := aside("add", "--all"); err != nil {
		return nil, err
	}
	return aside(append(plainDiff[:len(plainDiff):len(plainDiff)], "diff", "--cached", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")...)
}

// quoted is a path as git takes it in a list whose separator is a colon, which may
// be in the path.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}
