// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// Local returns the commit that is checked out in a kernel tree, and the changes that are
// not committed, as a patch for "git apply". Both are empty for a folder that is not a git
// tree, and for a git tree without any commit. Local writes nothing to the tree.
func Local(ctx context.Context, r host.Reporter, dir string) (commit string, changes []byte, err error) {
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return "", nil, nil
	}
	commit, err = sandbox.GitLine(ctx, dir, "rev-parse", "--verify", "--quiet", "HEAD")
	if err != nil {
		return "", nil, ctx.Err()
	}
	changes, err = localChanges(ctx, r, dir, false)
	return commit, changes, err
}

// localName is the file name of the patch with the changes that are not committed.
const localName = "not-committed.patch"

// localPatch returns the changes in a git tree that are not committed as one patch. It
// returns nothing if there are none.
func localPatch(ctx context.Context, h host.Host, dir string) ([]patch.Patch, error) {
	local, err := localChanges(ctx, h.Report, dir, true)
	if err != nil || len(local) == 0 {
		return nil, err
	}
	p, err := patch.Parse(localName, local)
	if err != nil {
		return nil, blame.Usagef("%s: the changes that are not committed cannot be tested as a patch; commit them, or put them aside by \"git stash -u\": %w", dir, err)
	}
	p.Local, p.Subject = true, "changes in "+printable(dir)+" that are not committed"
	return []patch.Patch{p}, nil
}

// localChanges returns the changes of a git tree against its HEAD, in files that git tracks
// or would track. It uses a copy of the index and its own folder for objects, so it writes
// nothing to the tree. If tested is set, the changes become one more patch of the series,
// and changes of symbolic links are refused.
func localChanges(ctx context.Context, r host.Reporter, dir string, tested bool) ([]byte, error) {
	if inside, err := sandbox.GitLine(ctx, dir, "rev-parse", "--is-inside-work-tree"); err != nil || inside != "true" {
		return nil, err // a bare repository
	}
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
	err = cache.CopyFile(where["index"], index)
	if errors.Is(err, fs.ErrNotExist) {
		r.Step("nothing is checked out in %s: only its commits are tested", dir)
		return nil, nil
	}
	if err := errors.Join(err, os.Mkdir(objects, 0o755)); err != nil {
		return nil, err
	}
	aside := func(input string, args ...string) ([]byte, error) {
		// If the tree's setting splits the index, git writes a part of it to the tree.
		cmd := sandbox.Git(ctx, dir, append([]string{"-c", "core.splitIndex=false"}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+index,
			"GIT_OBJECT_DIRECTORY="+objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quoted(where["objects"]))
		return sandbox.Run(cmd)
	}
	paths, err := changeable(ctx, r, dir, tested)
	if err != nil {
		return nil, err
	}
	if _, err := aside(paths, "update-index", "--add", "--remove", "--replace", "--ignore-skip-worktree-entries", "-z", "--stdin"); err != nil {
		return nil, err
	}
	if tested {
		raw, err := aside("", "diff", "--cached", "--raw", "-z", "--no-renames", "HEAD")
		if err != nil {
			return nil, err
		}
		if err := filesOnly(dir, string(raw)); err != nil {
			return nil, err
		}
	}
	return aside("", slices.Concat(PlainDiff, []string{"diff", "--cached", "--binary"}, PlainPatch, []string{"HEAD"})...)
}

// changeable lists the paths of a git tree that may differ from its HEAD, with NUL bytes
// between them. If tested is set, it leaves out symbolic links that git does not track,
// because a series cannot carry them, and reports what is left out. Otherwise
// Base.Identified reports that.
func changeable(ctx context.Context, r host.Reporter, dir string, tested bool) (string, error) {
	c, err := source.Look(ctx, dir)
	if err != nil {
		return "", err
	}
	var paths strings.Builder
	for _, f := range c.Files {
		if tested && !f.Tracked && f.Info.Mode().Type() == fs.ModeSymlink {
			c.Aside = append(c.Aside, f.Path+" (a symbolic link that git does not track)")
			continue
		}
		paths.WriteString(f.Path + "\x00")
	}
	if tested {
		c.Say(r)
	}
	return paths.String(), nil
}

// filesOnly refuses changes of symbolic links and submodules. raw is the output of "git
// diff --raw -z".
func filesOnly(dir, raw string) error {
	fields := strings.Split(raw, "\x00")
	for i := 0; i+1 < len(fields); i += 2 { // ":100644 120000 SHA SHA T", and the path
		for _, mode := range strings.Fields(strings.TrimPrefix(fields[i], ":"))[:2] {
			if mode == "120000" || mode == "160000" {
				return blame.Usagef("%s: %s is a symbolic link or a submodule with a change that is not committed, and a patch cannot carry it; undo it by \"git checkout HEAD -- %s\", or put it aside by \"git stash\"", dir, fields[i+1], fields[i+1])
			}
		}
	}
	return nil
}

// quoted returns a path as git reads it in a list whose separator is a colon. The path may
// have colons.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// commit is one commit of a range.
type commit struct {
	id, subject string
	empty       bool // it changes no file
	cover       bool // b4 keeps the cover letter in it
}

// listCommits lists the commits after base up to head, in their order.
func listCommits(ctx context.Context, dir, base, head string) ([]commit, error) {
	tree, err := sandbox.GitLine(ctx, dir, "rev-parse", base+"^{tree}")
	if err != nil {
		return nil, err
	}
	out, err := sandbox.GitLine(ctx, dir, "log", "-z", "--reverse", "--topo-order", "--no-show-signature", "--no-color", "--format=%H%n%T%n%s%n%b", base+".."+head)
	if err != nil || out == "" { // the series has no patch yet
		return nil, err
	}
	var all []commit
	for entry := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		part := strings.SplitN(entry, "\n", 4)
		if len(part) != 4 {
			return nil, fmt.Errorf("git log in %s printed a commit that vmtest cannot read: %q", dir, entry)
		}
		all = append(all, commit{part[0], part[2], part[1] == tree, strings.Contains(part[3], "--- b4-submit-tracking ---")})
		tree = part[1]
	}
	return all, nil
}
