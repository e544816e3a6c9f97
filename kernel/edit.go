package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names in the configuration of a git tree made by Edit: the series' folder,
// the commit under its first patch, and the state of the folder when the two
// were last the same.
const (
	seriesKey = "vmtest.series"
	baseKey   = "vmtest.base"
	stateKey  = "vmtest.state"
)

// Edit makes dir a git tree of the base with a commit for every patch of the
// series in folder, to be changed and then given to Export. A patch that does
// not apply leaves the tree in the middle of "git am", to be gone on with there;
// the BuildError names the hunk and what to type.
func Edit(ctx context.Context, c Cache, base Base, folder, dir string, r Reporter) error {
	s, err := LoadSeries(ctx, filepath.Dir(folder), filepath.Base(folder))
	if err != nil {
		return err
	}
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return &UsageError{fmt.Errorf("%s is there already, and may hold work: export it and remove it, or name another folder", dir)}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &UsageError{err}
	}
	state, err := folderState(folder)
	if err != nil {
		return err
	}
	repo, err := base.repository(ctx, c, r)
	if err != nil {
		return err
	}
	r.Step("check out linux-%s into %s", base.Version, dir)
	if _, err := run(git(ctx, "", "clone", "-q", "--no-checkout", "--origin=vmtest", "--branch=base", repo, dir)); err != nil {
		return err
	}
	commit, err := gitLine(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"checkout", "-q", "-b", s.Name},
		{"branch", "-q", "-D", "base"},
		{"tag", "linux-" + base.Version, commit},
		{"remote", "remove", "vmtest"}, // it goes with the cache
		{"config", baseKey, commit},
		{"config", stateKey, state},
		{"config", seriesKey, folder}, // last: without it Export takes the tree for no series
	} {
		if _, err := run(git(ctx, dir, args...)); err != nil {
			return err
		}
	}
	return commitPatches(ctx, base, s, folder, dir)
}

// commitPatches applies the series by "git am".
func commitPatches(ctx context.Context, base Base, s Series, folder, dir string) error {
	if len(s.Patches) == 0 {
		return nil
	}
	args := []string{"am", "-q", "--committer-date-is-author-date", "--whitespace=nowarn", "--keep-non-patch"}
	for _, p := range s.Patches {
		args = append(args, filepath.Join(folder, p.Name))
	}
	out, err := git(ctx, dir, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if full := diskFull(out, "git am", dir); full != nil || ctx.Err() != nil {
		return errors.Join(full, ctx.Err())
	}
	next, nerr := os.ReadFile(filepath.Join(dir, ".git", "rebase-apply", "next"))
	var n int
	if _, serr := fmt.Sscan(string(next), &n); nerr != nil || serr != nil || n < 1 || n > len(s.Patches) {
		return fmt.Errorf("git am in %s: %w\n%s", dir, err, tail(out, 20))
	}
	p := s.Patches[n-1]
	// The hunks that fit are applied, so that only those that do not are left;
	// it exits with an error as they are.
	rejects, _ := git(ctx, dir, "apply", "--reject", "--whitespace=nowarn", filepath.Join(".git", "rebase-apply", "patch")).CombinedOutput()
	where := p.failedHunks(string(rejects))
	if where == nil { // a whole file is missing, or in the way
		where = []string{tail(rejects, 1)}
	}
	return &BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s: %s", p.Name, base.Version, strings.Join(where, "; ")),
		Shown: fmt.Sprintf(`%s holds the patches before it, and of it the hunks that fit; go on there:
    put in by hand what *.rej files hold, and remove them
    git add FILES
    git am --continue        (and if a later patch does not fit: git apply --reject .git/rebase-apply/patch)
then write the patches back: vmtest series export %s %s`, dir, s.Name, dir),
	}
}

// Export writes the commits of a tree made by Edit back into the series' folder
// and returns the names of the files that changed. What is not committed, or
// was changed in the folder meanwhile, is not overwritten: it says so instead.
func Export(ctx context.Context, folder, dir string) ([]string, error) {
	base, err := exportable(ctx, folder, dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "vmtest-export-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	fresh, err := formatPatches(ctx, dir, base+"..HEAD", tmp)
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
	_, err = run(git(ctx, dir, "config", stateKey, state))
	return changed, err
}

// plainDiff are git's options that spell out everything that a configuration
// could make otherwise in a diff.
var plainDiff = []string{
	"-c", "core.abbrev=12", "-c", "core.quotePath=true", "-c", "diff.algorithm=default", "-c", "diff.context=3",
	"-c", "diff.indentHeuristic=true", "-c", "diff.mnemonicPrefix=false", "-c", "diff.noprefix=false", "-c", "diff.renames=true",
	"-c", "diff.suppressBlankEmpty=false",
}

// formatPatches makes patches of commits, in the folder to.
func formatPatches(ctx context.Context, dir, commits, to string) ([]Patch, error) {
	out, err := run(git(ctx, dir, slices.Concat(plainDiff, []string{
		"-c", "format.encodeEmailHeaders=true", "-c", "format.useAutoBase=false", "-c", "i18n.logOutputEncoding=UTF-8",
		"format-patch", "--zero-commit", "--no-signature", "--no-numbered", "--no-attach", "--no-thread", "--no-notes", "--no-cover-letter",
		"--no-to", "--no-cc", "--no-from", "--no-ext-diff", "--no-textconv", "--no-color", "--suffix=.patch", "--subject-prefix=PATCH", "--start-number=1",
		"-o", to, commits,
	})...))
	if err != nil {
		return nil, err
	}
	var all []Patch
	for path := range strings.Lines(string(out)) {
		p, err := LoadPatch(strings.TrimSuffix(path, "\n"))
		if err != nil {
			return nil, fmt.Errorf("a commit in %s cannot be a patch: %w", dir, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// exportable refuses to lose work, in the tree or in the folder, and returns
// the commit under the first patch.
func exportable(ctx context.Context, folder, dir string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", &UsageError{fmt.Errorf(dir+": "+format, args...)}
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return refuse("there is no git tree; make one by \"vmtest series edit\"")
	}
	known := func(key string) string {
		value, err := gitLine(ctx, dir, "config", "--local", key)
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
	dirty, err := run(git(ctx, dir, "status", "--porcelain", "--untracked-files=all"))
	if err != nil {
		return "", err
	}
	if len(dirty) > 0 {
		lines := strings.SplitAfterN(string(dirty), "\n", 6)
		return refuse("not all is committed; commit it, stash it or remove it:\n%s", strings.Join(lines[:min(5, len(lines))], ""))
	}
	if _, err := run(git(ctx, dir, "merge-base", "--is-ancestor", base, "HEAD")); err != nil {
		return refuse("HEAD is not built on the base (%.12s); rebase it", base)
	}
	merges, err := gitLine(ctx, dir, "rev-list", "--merges", base+"..HEAD")
	if err != nil {
		return "", err
	}
	if merges != "" {
		return refuse("%.12s is a merge, which no patch can be; make the history linear by \"git rebase %.12s\"", merges, base)
	}
	count, err := gitLine(ctx, dir, "rev-list", "--count", base+"..HEAD")
	if err != nil {
		return "", err
	}
	patches, err := filepath.Glob(filepath.Join(folder, "*.patch"))
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
	found, err := filepath.Glob(filepath.Join(folder, "*.patch"))
	if err != nil {
		return "", err
	}
	for _, path := range append(found, filepath.Join(folder, "series")) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		parts = append(parts, filepath.Base(path), string(text))
	}
	return digest(parts...), nil
}

// rewrite makes the folder's patches these, and returns the names of the files
// that are not as they were.
func rewrite(folder string, patches []Patch) ([]string, error) {
	listPath := filepath.Join(folder, "series")
	list, err := os.ReadFile(listPath)
	if err != nil {
		return nil, err
	}
	old, err := parseList(listPath, list)
	if err != nil {
		return nil, err
	}
	var changed []string
	put := func(name string, text []byte) error {
		path := filepath.Join(folder, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(text) {
			return nil
		}
		changed = append(changed, name)
		return errors.Join(writeFile(path, text), os.Chmod(path, 0o644))
	}
	keep := make(map[string]bool)
	var names []string
	for _, p := range patches {
		if err := put(p.Name, p.Text); err != nil {
			return nil, err
		}
		keep[p.Name] = true
		names = append(names, p.Name)
	}
	if err := put("series", relist(list, names)); err != nil {
		return nil, err
	}
	for _, name := range old { // last: what replaces them is there
		if !keep[name] {
			changed = append(changed, name)
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

// relist is the text of a series file with other patches in it. Comments stay:
// those behind a patch that stays with it, all others on top.
func relist(list []byte, names []string) []byte {
	line := make(map[string]string)
	var text strings.Builder
	same := ""
	for l := range strings.Lines(string(list)) {
		l = strings.TrimSuffix(l, "\n") + "\n"
		name, _, _ := strings.Cut(l, "#")
		if name = strings.TrimSpace(name); name == "" {
			text.WriteString(l)
			continue
		}
		line[name] = l
		same += name + "\n"
	}
	if same == strings.Join(append(names, ""), "\n") {
		return list
	}
	for _, name := range names {
		if l, ok := line[name]; ok {
			text.WriteString(l)
		} else {
			text.WriteString(name + "\n")
		}
	}
	return []byte(text.String())
}
