// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/reasons"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// complaint is one complaint of checkpatch.
type complaint struct {
	Type string // such as FILE_PATH_CHANGES
	Text string // as checkpatch printed it, with the place in the tree
}

// excuse allows a complaint of checkpatch about one patch, and says why.
type excuse struct {
	reasons.Entry
	Type, Patch string
}

// excuseKind describes the file checkpatch of a series.
var excuseKind = reasons.Kind{Name: "checkpatch", Form: "TYPE PATCH # reason", Mark: "#"}

// parseExcuses reads a series' file checkpatch. Package reasons describes the lines "TYPE
// PATCH # reason".
func parseExcuses(text []byte) ([]excuse, error) {
	entries, err := excuseKind.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []excuse
	for _, e := range entries {
		word, err := e.Words(2)
		if err != nil {
			return nil, err
		}
		all = append(all, excuse{e, word[0], word[1]})
	}
	return all, nil
}

// unexcused returns the complaints about one patch that have no excuse, and the excuses for
// this patch that match no complaint.
func unexcused(p patch.Patch, complaints []complaint, excuses []excuse) []string {
	var all []string
	used := make(map[int]bool)
	for _, c := range complaints {
		excused := false
		for _, e := range excuses {
			if e.Patch == p.Name && e.Type == c.Type {
				excused, used[e.Line] = true, true
			}
		}
		if !excused {
			all = append(all, c.Text)
		}
	}
	for _, e := range reasons.Unmatched(excuses, func(e excuse) bool { return e.Patch != p.Name || used[e.Line] }) {
		all = append(all, fmt.Sprintf("%s excuses %s, which checkpatch does not complain of", e.Place(), e.Type))
	}
	return all
}

var complaintRE = regexp.MustCompile(`(?m)^(\S*?):(\d+): ((?:ERROR|WARNING|CHECK):([A-Z0-9_]+): .*)$`)

// ofWholePatch are the types of complaints that checkpatch finds at the end of a patch. The
// place that it prints with them is the end of the patch, and means nothing.
var ofWholePatch = []string{"COMMIT_MESSAGE", "FROM_SIGN_OFF_MISMATCH", "MISSING_SIGN_OFF", "NO_AUTHOR_SIGN_OFF", "NOT_UNIFIED_DIFF"}

// parseComplaints reads the output of checkpatch with --showfile.
func parseComplaints(out string) []complaint {
	var all []complaint
	for _, m := range complaintRE.FindAllStringSubmatch(out, -1) {
		file, line, text, kind := m[1], m[2], m[3], m[4]
		place := file + ":" + line
		if file == "" || slices.Contains(ofWholePatch, kind) {
			place = "changelog"
		}
		all = append(all, complaint{Type: kind, Text: place + ": " + text})
	}
	return all
}

// checkpatch runs the base's own scripts/checkpatch.pl --strict.
func checkpatch(ctx context.Context, h host.Host, base source.Base, p patch.Patch) ([]complaint, error) {
	script, err := cache.ReadRegular(filepath.Join(base.Dir, "scripts", "checkpatch.pl"))
	if err != nil {
		return nil, err
	}
	if base, _, err = base.Identified(ctx, h.Cache, nil); err != nil { // checkpatch reads other files of the tree, too
		return nil, err
	}
	key := "checkpatch 5 " + cache.Digest(base.ID, string(script), p.Name, string(p.Text))
	return host.Answer(ctx, h, key, func() ([]complaint, error) { return runCheckpatch(ctx, h.Sandbox, base, p) })
}

func runCheckpatch(ctx context.Context, box sandbox.Box, base source.Base, p patch.Patch) ([]complaint, error) {
	dir, err := os.MkdirTemp("", "vmtest-checkpatch-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	file := filepath.Join(dir, p.Name)
	if err := os.WriteFile(file, p.Text, 0o644); err != nil {
		return nil, err
	}
	// checkpatch writes to its working folder. It reads .checkpatch.conf there and in HOME.
	tree := filepath.Join(dir, "tree")
	if err := linkAll(base.Dir, tree); err != nil {
		return nil, err
	}
	readable, err := repositoryOf(ctx, base.Dir)
	if err != nil {
		return nil, err
	}
	env := []string{"HOME=" + dir, "GIT_CEILING_DIRECTORIES=" + dir, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}
	args := []string{"scripts/checkpatch.pl", "--root=" + base.Dir, "--strict", "--terse", "--showfile", "--show-types", "--no-summary", "--color=never", file}
	if readable == nil { // without a history every commit is unknown
		args = slices.Insert(args, 1, "--ignore=UNKNOWN_COMMIT_ID")
	}
	out, err := box.Output(ctx, sandbox.Place{Dir: tree, Readable: append(readable, base.Dir), Writable: []string{dir}, Env: env}, "perl", args...)
	all := parseComplaints(string(out))
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed && exit.ExitCode() == 1 && len(all) > 0: // it complained
	case err != nil:
		return nil, fmt.Errorf("%s: %w\n%s", args[0], err, sandbox.Tail(out, 20))
	case len(out) > 0 && len(all) == 0:
		return nil, fmt.Errorf("%s printed no complaint that vmtest can read:\n%s", args[0], sandbox.Tail(out, 20))
	}
	return all, nil
}

// linkAll makes the folder to with links to all that is in the folder from.
func linkAll(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	all, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range all {
		if entry.Name() == ".checkpatch.conf" { // the user's own, which may switch off complaints
			continue
		}
		if err := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// repositoryOf returns the folders outside of a tree that git needs: its repository, and
// those whose objects this repository uses.
func repositoryOf(ctx context.Context, tree string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(tree, ".git")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	common, err := sandbox.GitLine(ctx, tree, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return nil, err
	}
	folders := []string{common}
	counts, err := sandbox.Run(sandbox.Git(ctx, tree, "count-objects", "-v"))
	for line := range strings.Lines(string(counts)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "alternate: "); ok {
			folders = append(folders, path)
		}
	}
	return folders, err
}
