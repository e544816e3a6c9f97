// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
)

// Export writes the commits of a tree made by Edit back into the series' folder
// and returns the names of the files that changed. What is not committed, or
// was changed in the folder meanwhile, is not overwritten: it says so instead.
func Export(ctx context.Context, box sandbox.Box, folder, dir string) ([]string, error) {
	base, err := exportable(ctx, folder, dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "vmtest-export-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	commits, err := listCommits(ctx, dir, base, "HEAD")
	if err != nil {
		return nil, err
	}
	for _, c := range commits {
		if c.empty {
			return nil, blame.Usagef("%s: commit %.12s (%s) changes no file and cannot be a patch; drop it by \"git rebase -i %.12s\"", dir, c.id, c.subject, base)
		}
	}
	fresh, err := formatPatches(ctx, box, dir, base, "HEAD", commits, tmp)
	if err != nil {
		return nil, err
	}
	changed, err := rewrite(folder, fresh)
	if err != nil {
		return nil, err
	}
	state, err := folderState(folder)
	if err != nil {
		return nil, err
	}
	if _, err = sandbox.Run(sandbox.Git(ctx, dir, "config", stateKey, state)); err != nil {
		return nil, err
	}
	return changed, rememberHead(ctx, dir)
}

// plainDiff are git's options that spell out everything that a configuration
// could make otherwise in a diff.
var plainDiff = []string{
	"-c", "core.abbrev=12", "-c", "core.quotePath=true", "-c", "diff.algorithm=default", "-c", "diff.context=3",
	"-c", "diff.indentHeuristic=true", "-c", "diff.mnemonicPrefix=false", "-c", "diff.noprefix=false", "-c", "diff.renames=true",
	"-c", "diff.suppressBlankEmpty=false",
}

// plainPatch are the options of "git diff" and its kin for the same purpose. A
// configuration can drop the prefixes a/ and b/ in more than one way.
var plainPatch = []string{"--src-prefix=a/", "--dst-prefix=b/", "--no-ext-diff", "--no-textconv", "--no-color"}

// formatPatches makes patches, in the folder to, of the commits after base up to
// head, which all lists. Those that change no file are skipped.
func formatPatches(ctx context.Context, box sandbox.Box, dir, base, head string, all []commit, to string) ([]Patch, error) {
	out, err := sandbox.Run(sandbox.Git(ctx, dir, slices.Concat(plainDiff, []string{
		"-c", "format.encodeEmailHeaders=true", "-c", "format.useAutoBase=false", "-c", "format.signOff=false", "-c", "i18n.logOutputEncoding=UTF-8",
		"format-patch", "--zero-commit", "--no-signature", "--no-numbered", "--no-attach", "--no-thread", "--no-notes", "--no-cover-letter",
		"--no-to", "--no-cc", "--no-from", "--suffix=.patch", "--subject-prefix=PATCH", "--start-number=1",
		"--always", "--topo-order", "-o", to,
	}, plainPatch, []string{base + ".." + head})...))
	if err != nil {
		return nil, err
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(files) != len(all) {
		return nil, fmt.Errorf("git format-patch in %s made %d patches of %d commits", dir, len(files), len(all))
	}
	var texts []named
	for i, c := range all {
		if c.empty {
			continue
		}
		_, subject, _ := strings.Cut(filepath.Base(files[i]), "-")
		text, err := os.ReadFile(files[i])
		if err != nil {
			return nil, err
		}
		texts = append(texts, named{fmt.Sprintf("%04d-%s", len(texts)+1, subject), text})
	}
	patches, err := loadTexts(ctx, box, texts)
	if err != nil {
		return nil, fmt.Errorf("a commit of %s cannot be a patch: %w", dir, err)
	}
	return patches, nil
}

// exportable refuses to lose work, in the tree or in the folder, and returns
// the commit under the first patch.
func exportable(ctx context.Context, folder, dir string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", blame.Usagef(dir+": "+format, args...)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return refuse("there is no git tree; make one by \"vmtest series edit\"")
	}
	known := func(key string) string {
		value, err := sandbox.GitLine(ctx, dir, "config", "--local", key)
		if err != nil { // git's way to say that there is none
			return ""
		}
		return value
	}
	base := known(baseKey)
	switch of := known(seriesKey); {
	case of == "" || base == "":
		return refuse("this git tree was not made by \"vmtest series edit\"")
	case of != folder:
		return refuse("this is the tree of %s, not of %s", of, folder)
	}
	for _, busy := range []string{"rebase-apply", "rebase-merge", "MERGE_HEAD", "CHERRY_PICK_HEAD"} {
		if _, err := os.Stat(filepath.Join(dir, ".git", busy)); err == nil {
			return refuse("an am, rebase, merge or cherry-pick is not finished; \"git status\" says how to go on")
		}
	}
	dirty, err := sandbox.Run(sandbox.Git(ctx, dir, "status", "--porcelain", "--untracked-files=all"))
	if err != nil {
		return "", err
	}
	if len(dirty) > 0 {
		lines := strings.SplitAfterN(string(dirty), "\n", 6)
		return refuse("not all is committed; commit it, stash it or remove it:\n%s", strings.Join(lines[:min(5, len(lines))], ""))
	}
	if _, err := sandbox.Run(sandbox.Git(ctx, dir, "merge-base", "--is-ancestor", base, "HEAD")); err != nil {
		return refuse("HEAD is not built on the base (%.12s); rebase it", base)
	}
	merges, err := sandbox.GitLine(ctx, dir, "rev-list", "--merges", base+"..HEAD")
	if err != nil {
		return "", err
	}
	if merges != "" {
		return refuse("%.12s is a merge, which no patch can be; make the history linear by \"git rebase %.12s\"", merges, base)
	}
	count, err := sandbox.GitLine(ctx, dir, "rev-list", "--count", base+"..HEAD")
	if err != nil {
		return "", err
	}
	patches, err := listed(folder)
	if err != nil {
		return "", err
	}
	if count == "0" && len(patches) > 0 {
		return refuse("HEAD is the base, so every patch of %s would go; if that is meant, empty its series file", folder)
	}
	state, err := folderState(folder)
	if err != nil {
		return "", err
	}
	if known(stateKey) != state {
		return refuse("the patches in %s were changed since they were taken from there or written there; they would be lost: edit them into another tree and take over what you need, or restore them by git", folder)
	}
	return base, nil
}

// folderState identifies the patches of a folder and their order.
func folderState(folder string) (string, error) {
	var parts []string
	names, err := filesOf(folder)
	if err != nil {
		return "", err
	}
	for _, name := range append(names, "series") {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		parts = append(parts, name, string(text))
	}
	return cache.Digest(parts...), nil
}
