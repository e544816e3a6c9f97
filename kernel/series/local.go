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

// Local says what a kernel checkout holds: the commit that is checked out, and the
// changes against it that are not committed, as a patch for "git apply". Of a folder that
// is no git tree, and of one in which nothing was ever committed, both are empty. Nothing
// is written to the tree.
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

// localName is the file name of the patch for what is not committed.
const localName = "not-committed.patch"

// localPatch is what stands in a git tree and is not committed, or nothing.
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

// localChanges are the changes of a git tree against its HEAD, in files that
// git tracks or would track. The index and the objects that this takes are
// copies. If they are to be tested as one more patch, links have no place in them.
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
		r.Step("nothing is checked out in %s: its commits alone are tested", dir)
		return nil, nil
	}
	if err := errors.Join(err, os.Mkdir(objects, 0o755)); err != nil {
		return nil, err
	}
	aside := func(input string, args ...string) ([]byte, error) {
		// With this setting of a tree, git writes a part of the index beside the true one.
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
	return aside("", slices.Concat(plainDiff, []string{"diff", "--cached", "--binary"}, plainPatch, []string{"HEAD"})...)
}

// changeable lists, with NUL bytes between, the paths of a git tree that may differ
// from its HEAD. Links that git does not track are left out of what is to be tested as a
// patch: no series carries them. What is left out is said then, and otherwise where the
// tree is opened.
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

// filesOnly refuses changes of links and submodules, given by "git diff --raw -z".
func filesOnly(dir, raw string) error {
	fields := strings.Split(raw, "\x00")
	for i := 0; i+1 < len(fields); i += 2 { // ":100644 120000 SHA SHA T", and the path
		for _, mode := range strings.Fields(strings.TrimPrefix(fields[i], ":"))[:2] {
			if mode == "120000" || mode == "160000" {
				return blame.Usagef("%s: %s is a symbolic link or a submodule with a change that is not committed, which no patch can carry; undo it by \"git checkout HEAD -- %s\", or put it aside by \"git stash\"", dir, fields[i+1], fields[i+1])
			}
		}
	}
	return nil
}

// quoted is a path as git takes it in a list whose separator is a colon, which may
// be in the path.
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
	if err != nil || out == "" { // a series that has no patch yet
		return nil, err
	}
	var all []commit
	for entry := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		part := strings.SplitN(entry, "\n", 4)
		if len(part) != 4 {
			return nil, fmt.Errorf("git log in %s says what cannot be read: %q", dir, entry)
		}
		all = append(all, commit{part[0], part[2], part[1] == tree, strings.Contains(part[3], "--- b4-submit-tracking ---")})
		tree = part[1]
	}
	return all, nil
}
