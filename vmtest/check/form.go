// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/outgoing"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
)

// form checks a patch's text, and compares the prefix of its subject with the history of
// the files that the patch changes.
func (c *checking) form(ctx context.Context, at prefix) error {
	all := at.patch().Formalities()
	log, err := c.history(ctx, at)
	if err != nil {
		return err
	}
	if fault := prefixFault(at.patch().Subject, log); fault != "" {
		all = append(all, fault)
	}
	if at.n == 1 {
		all = append(all, coverFaults(c.series.Cover)...)
	}
	return complaints(all)
}

// coverFaults checks a cover letter; nil: there is none. The first patch answers for it.
func coverFaults(text []byte) (all []string) {
	if text == nil {
		return nil
	}
	cover, err := outgoing.ParseCover(text)
	if err != nil {
		return []string{series.CoverFile + ": " + err.Error()}
	}
	for _, fault := range cover.Faults() {
		all = append(all, series.CoverFile+": "+fault)
	}
	return all
}

const (
	historyLength = 50 // how many of the last subjects are compared
	historyTime   = 20 * time.Second
)

// history returns the subjects of the last commits to the files of a patch, or to the
// folders of files that the patch adds. It returns none if the base has no history, or if
// git takes too long.
func (c *checking) history(ctx context.Context, at prefix) ([]string, error) {
	tree := c.base.Tree
	if tree == "" {
		return nil, nil
	}
	if _, err := sandbox.GitLine(ctx, tree, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
		return nil, ctx.Err() // nothing was ever committed
	}
	var paths []string
	for _, path := range at.patch().Touches() {
		if _, err := os.Lstat(filepath.Join(c.base.Dir, path)); err != nil {
			path = filepath.Dir(path)
		}
		paths = append(paths, path)
	}
	args := []string{"--literal-pathspecs", "log", "--no-merges", "--format=%s", fmt.Sprintf("--max-count=%d", historyLength), cmp.Or(c.Request.Base.Commit, "HEAD"), "--"}
	args = append(args, paths...)
	limited, stop := context.WithTimeout(ctx, historyTime)
	defer stop()
	out, err := sandbox.Run(sandbox.Git(limited, tree, args...))
	if errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		at.on.Report.Step("git log of %s takes longer than %v; the prefix of the subject is not checked", strings.Join(paths, " "), historyTime)
		return nil, nil
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), err
}

// enoughHistory is how many subjects with a prefix are needed to know what is usual.
const enoughHistory = 5

// prefixFault returns a complaint if no subject in the log has the subsystem of this
// subject, and "" otherwise. It compares only the first word of a prefix ("time" of
// "time/namespace"), because the rest differs between commits.
func prefixFault(subject string, log []string) string {
	mine := patch.SubjectPrefix(subject)
	if mine == "" || patch.IsRevert(subject) {
		return ""
	}
	times, found := make(map[string]int), 0
	for _, other := range log {
		prefix := patch.SubjectPrefix(other)
		if prefix == "" || patch.IsRevert(other) {
			continue
		}
		if subsystem(prefix) == subsystem(mine) {
			return ""
		}
		times[prefix]++
		found++
	}
	if found < enoughHistory {
		return ""
	}
	usual := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(cmp.Compare(times[b], times[a]), cmp.Compare(a, b))
	})
	var shown []string
	for _, prefix := range usual[:min(3, len(usual))] {
		shown = append(shown, fmt.Sprintf("%q (%d times)", prefix+":", times[prefix]))
	}
	return fmt.Sprintf("the subject begins with %q; no subject in git log of these files does; usual are %s", mine+":", strings.Join(shown, ", "))
}

// subsystem returns the first word of a prefix.
func subsystem(prefix string) string {
	words := strings.FieldsFunc(strings.ToLower(prefix), func(r rune) bool { return strings.ContainsRune("/:, ", r) })
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
