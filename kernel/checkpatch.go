package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Complaint is one of checkpatch's.
type Complaint struct {
	Type string // such as FILE_PATH_CHANGES
	Text string // as it printed it
}

// Excuse says that checkpatch may complain of something, and why.
type Excuse struct {
	Type, Patch, Reason string
	Line                int
}

// ParseExcuses reads a file "checkpatch" of a series: lines "TYPE PATCH #
// reason", empty lines, and comments that begin in column one.
func ParseExcuses(text []byte) ([]Excuse, error) {
	var all []Excuse
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, _ := strings.Cut(line, "#")
		word := strings.Fields(what)
		e := Excuse{Reason: strings.TrimSpace(reason), Line: i + 1}
		if len(word) != 2 || e.Reason == "" {
			return nil, fmt.Errorf("checkpatch:%d: %q is not \"TYPE PATCH # reason\"", e.Line, line)
		}
		e.Type, e.Patch = word[0], word[1]
		all = append(all, e)
	}
	return all, nil
}

// Unexcused are the complaints of one patch that no excuse is for, and the
// excuses for it that nothing was complained of.
func Unexcused(p Patch, complaints []Complaint, excuses []Excuse) []string {
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
	for _, e := range excuses {
		if e.Patch == p.Name && !used[e.Line] {
			all = append(all, fmt.Sprintf("checkpatch:%d excuses %s, which checkpatch does not complain of", e.Line, e.Type))
		}
	}
	return all
}

var complaintRE = regexp.MustCompile(`(?m)^\S+?:\d+: ((?:ERROR|WARNING|CHECK):([A-Z0-9_]+): .*)$`)

// Checkpatch runs the base's own scripts/checkpatch.pl --strict.
func Checkpatch(ctx context.Context, c Cache, base Base, p Patch, r Reporter) ([]Complaint, error) {
	script, err := os.ReadFile(filepath.Join(base.Dir, "scripts", "checkpatch.pl"))
	if err != nil {
		return nil, err
	}
	id := base.ID
	if id == "" { // a checkout: it looks at more than its script
		files, err := survey(ctx, base)
		if err != nil {
			return nil, err
		}
		id = files.digest()
	}
	key := "checkpatch 2 " + digest(id, string(script), p.Name, string(p.Text))
	return Answer(ctx, c, key, r, func() ([]Complaint, error) { return checkpatch(ctx, base, p) })
}

func checkpatch(ctx context.Context, base Base, p Patch) ([]Complaint, error) {
	dir, err := os.MkdirTemp("", "vmtest-checkpatch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, p.Name)
	if err := os.WriteFile(file, p.Text, 0o644); err != nil {
		return nil, err
	}
	// Its HOME is a place without a .checkpatch.conf, which could have it overlook things.
	env := []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(base.Dir), "HOME=" + dir}
	args := []string{"scripts/checkpatch.pl", "--strict", "--terse", "--show-types", "--no-summary", "--color=never", file}
	readable := []string{base.Dir}
	if info, err := os.Lstat(filepath.Join(base.Dir, ".git")); err == nil && info.Mode().IsRegular() { // its repository is elsewhere
		common, err := gitLine(ctx, base.Dir, "rev-parse", "--path-format=absolute", "--git-common-dir")
		if err != nil {
			return nil, err
		}
		readable = append(readable, common)
	}
	out, err := confinedOutput(ctx, base.Dir, readable, []string{dir}, env, "perl", args...)
	var all []Complaint
	for _, m := range complaintRE.FindAllStringSubmatch(string(out), -1) {
		all = append(all, Complaint{Type: m[2], Text: m[1]})
	}
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed && exit.ExitCode() == 1 && len(all) > 0: // it complained
	case err != nil:
		return nil, fmt.Errorf("%s: %w\n%s", args[0], err, tail(out, 20))
	case len(out) > 0 && len(all) == 0:
		return nil, fmt.Errorf("%s says what we cannot read:\n%s", args[0], tail(out, 20))
	}
	return all, nil
}
