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
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/patch"
)

// Export writes the commits of a tree that Edit made back to the series' folder, and
// returns the names of the files that changed. It refuses if something is not committed, or
// if the folder has changed since: work would be lost.
func (w Workplace) Export(ctx context.Context, box sandbox.Box) ([]string, error) {
	base, err := w.exportable(ctx)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "vmtest-export-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	commits, err := listCommits(ctx, w.Dir, base, "HEAD")
	if err != nil {
		return nil, err
	}
	for _, c := range commits {
		if c.empty {
			return nil, w.refuse("commit %.12s (%s) changes no file and cannot be a patch; drop it by \"%s\"", c.id, c.subject, w.git("rebase", "-i", base[:12]))
		}
	}
	fresh, err := formatPatches(ctx, box, w.Dir, base, "HEAD", commits, tmp)
	if err != nil {
		return nil, err
	}
	changed, err := rewrite(w.Folder, fresh)
	if err != nil {
		return nil, err
	}
	state, err := folderState(w.Folder)
	if err != nil {
		return nil, err
	}
	if _, err = sandbox.Run(sandbox.Git(ctx, w.Dir, "config", stateKey, state)); err != nil {
		return nil, err
	}
	return changed, rememberHead(ctx, w.Dir)
}

// PlainDiff are options of git. They override each setting that could change the form of a
// diff.
var PlainDiff = []string{
	"-c", "core.abbrev=12", "-c", "core.quotePath=true", "-c", "diff.algorithm=default", "-c", "diff.context=3",
	"-c", "diff.indentHeuristic=true", "-c", "diff.mnemonicPrefix=false", "-c", "diff.noprefix=false", "-c", "diff.renames=true",
	"-c", "diff.suppressBlankEmpty=false",
}

// PlainPatch are options of "git diff" and similar commands, for the same purpose. More
// than one setting can drop the prefixes a/ and b/.
var PlainPatch = []string{"--src-prefix=a/", "--dst-prefix=b/", "--no-ext-diff", "--no-textconv", "--no-color"}

// formatPatches makes patches from the commits after base up to head, and writes them to
// the folder to. all lists these commits. It skips those that change no file.
func formatPatches(ctx context.Context, box sandbox.Box, dir, base, head string, all []commit, to string) ([]patch.Patch, error) {
	if len(all) == 0 {
		return nil, nil
	}
	out, err := sandbox.Run(sandbox.Git(ctx, dir, slices.Concat(PlainDiff, []string{
		"-c", "format.encodeEmailHeaders=true", "-c", "format.useAutoBase=false", "-c", "format.signOff=false", "-c", "i18n.logOutputEncoding=UTF-8",
		"format-patch", "--zero-commit", "--no-signature", "--no-numbered", "--no-attach", "--no-thread", "--no-notes", "--no-cover-letter",
		"--no-to", "--no-cc", "--no-from", "--suffix=.patch", "--subject-prefix=PATCH", "--start-number=1",
		"--always", "--topo-order", "-o", to,
	}, PlainPatch, []string{base + ".." + head})...))
	if err != nil {
		return nil, err
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(files) != len(all) {
		return nil, fmt.Errorf("git format-patch in %s made %d patches of %d commits", dir, len(files), len(all))
	}
	var texts []patch.Named
	for i, c := range all {
		if c.empty {
			continue
		}
		_, subject, _ := strings.Cut(filepath.Base(files[i]), "-")
		text, err := os.ReadFile(files[i])
		if err != nil {
			return nil, err
		}
		texts = append(texts, patch.Named{Name: fmt.Sprintf("%04d-%s", len(texts)+1, subject), Text: text})
	}
	patches, err := patch.LoadTexts(ctx, box, texts)
	if err != nil {
		return nil, fmt.Errorf("a commit of %s cannot be a patch: %w", dir, err)
	}
	return patches, nil
}

// exportable refuses an export that would lose work in the tree or in the folder. It
// returns the commit below the first patch.
func (w Workplace) exportable(ctx context.Context) (string, error) {
	base, err := w.baseOf(ctx)
	if err != nil {
		return "", err
	}
	if err := w.settled(ctx); err != nil {
		return "", err
	}
	if _, err := sandbox.Run(sandbox.Git(ctx, w.Dir, "merge-base", "--is-ancestor", base, "HEAD")); err != nil {
		return "", w.refuse("HEAD is not built on the base; rebase it onto %.12s", base)
	}
	merges, err := sandbox.GitLine(ctx, w.Dir, "rev-list", "--merges", base+"..HEAD")
	if err != nil {
		return "", err
	}
	if merges != "" {
		return "", w.refuse("%.12s is a merge, and a merge cannot be a patch; type \"%s\" to make the history linear", merges, w.git("rebase", base[:12]))
	}
	count, err := sandbox.GitLine(ctx, w.Dir, "rev-list", "--count", base+"..HEAD")
	if err != nil {
		return "", err
	}
	patches, err := listed(w.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // unchanged tells a folder that is gone
		return "", err
	}
	if count == "0" && len(patches) > 0 {
		return "", w.refuse("HEAD is the base, so the export would remove every patch of %s; if you want that, remove the folder", w.Folder)
	}
	return base, w.unchanged(ctx)
}

// git returns a line to paste that runs git in Dir.
func (w Workplace) git(args ...string) string {
	return shell.Quote(append([]string{"git", "-C", w.Dir}, args...)...)
}

func (w Workplace) refuse(format string, args ...any) error {
	return blame.Usagef("%s: "+format, append([]any{w.Dir}, args...)...)
}

// taken reports whether Dir exists and is not an empty folder.
func (w Workplace) taken() bool {
	if _, err := os.Lstat(w.Dir); err != nil {
		return false
	}
	left, err := os.ReadDir(w.Dir)
	return err != nil || len(left) > 0
}

// elsewhere returns w with a new name for Dir, under which nothing exists yet.
func (w Workplace) elsewhere() Workplace {
	for n, dir := 2, w.Dir; w.taken(); n++ {
		w.Dir = fmt.Sprintf("%s-%d", dir, n)
	}
	return w
}

// known returns a value that Edit wrote to the git configuration of Dir, or "".
func (w Workplace) known(ctx context.Context, key string) string {
	value, err := sandbox.GitLine(ctx, w.Dir, "config", "--local", key)
	if err != nil { // git exits with an error if there is no value
		return ""
	}
	return value
}

// baseOf returns the commit below the first patch. It refuses a tree that Edit did not
// make, or that belongs to another folder.
func (w Workplace) baseOf(ctx context.Context) (string, error) {
	if _, err := os.Stat(filepath.Join(w.Dir, ".git")); err != nil {
		if w.taken() {
			return "", w.refuse("this is not a git tree; name the folder that \"series edit\" made")
		}
		return "", w.refuse("there is no git tree; type \"%s\" to make one", w.Command("edit"))
	}
	base, of := w.known(ctx, baseKey), w.known(ctx, seriesKey)
	switch {
	case of == "" || base == "":
		return "", w.refuse("this git tree was not made by \"series edit\"; name the folder that \"series edit\" made")
	case of != w.Folder:
		return "", w.refuse("this is the tree of %s, not of %s; type \"%s\"", of, w.Folder, shell.Quote(w.Program, "series", "export", of, w.Dir))
	}
	return base, nil
}

// settled refuses a tree in which a rebase, merge or similar is not finished, or something
// is not committed.
func (w Workplace) settled(ctx context.Context) error {
	for _, busy := range []string{"rebase-apply", "rebase-merge", "MERGE_HEAD", "CHERRY_PICK_HEAD"} {
		if _, err := os.Stat(filepath.Join(w.Dir, ".git", busy)); err == nil {
			return w.refuse("an am, rebase, merge or cherry-pick is not finished; type \"%s\" to see how to continue", w.git("status"))
		}
	}
	dirty, err := sandbox.Run(sandbox.Git(ctx, w.Dir, "status", "--porcelain", "--untracked-files=all"))
	if err != nil {
		return err
	}
	if len(dirty) > 0 {
		lines := strings.SplitAfterN(string(dirty), "\n", 6)
		return w.refuse("something is not committed; commit it, stash it or remove it:\n%s", strings.Join(lines[:min(5, len(lines))], ""))
	}
	return nil
}

// unchanged refuses a folder if its patches differ from those that Edit read or Export
// wrote last.
func (w Workplace) unchanged(ctx context.Context) error {
	state, err := folderState(w.Folder)
	if err != nil {
		return err
	}
	if w.known(ctx, stateKey) == state {
		return nil
	}
	return w.refuse("the patches in %s were changed since vmtest last read or wrote them; these changes would be lost: "+
		"type \"%s\" and copy what you need, or restore the patches with git", w.Folder, w.elsewhere().Command("edit"))
}

// absent is the state of a folder without a file "series", such as that of a variant before
// its first export.
const absent = "absent"

// folderState returns a digest of the patches of a folder and their order. It is the same
// whether a patch of a variant is shared or not. A cover letter is no patch.
func folderState(folder string) (string, error) {
	var parts []string
	names, err := filesOf(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	if err != nil {
		return "", err
	}
	names = slices.DeleteFunc(names, coverRE.MatchString)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(unshared(a), unshared(b)) })
	for _, name := range append(names, "series") {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		parts = append(parts, unshared(name), string(text))
	}
	list := &parts[len(parts)-1]
	*list = strings.ReplaceAll(*list, shared, "") // a patch that is not shared any more is the same patch
	return cache.Digest(parts...), nil
}
