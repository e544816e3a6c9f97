// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

var (
	// unread matches lines of a splat that are only useful in the console log: registers,
	// code bytes, the list of modules, and uncertain entries of the stack.
	unread = regexp.MustCompile(`^(?:-+\[ cut here \]-+|R[ABCDS][XPI]: .*|R1?[0-9]{1,2}: .*|ORIG_RAX: .*|RSP: .*|[FCDE]S: .*|CR[0-9]: .*|DR[0-9]: .*|PKRU: .*|Code: .*|Modules linked in: .*| *\? .*|\s*)$`)
	// whose matches parts of a headline that differ between two splats of one kind.
	whose = regexp.MustCompile(`\b(?:(?:CPU: |UID: |PID: |CPU#|pid=|task=|at addr )\S+|0x[0-9a-f]+|[0-9]+s)`)
)

// splat is a splat of a run and the name of its lane.
type splat struct {
	verdict.Splat
	lane string
}

// where returns the splat's place in the folder dir.
func (s splat) where(dir string) string {
	return fmt.Sprintf("%s:%d", filepath.Join(dir, s.lane, wire.ShardDir(s.Shard), wire.BootDir(s.Boot), wire.ConsoleFile), s.Line)
}

// kind returns a splat's headline without the parts that differ each time.
func (s splat) kind() string { return whose.ReplaceAllString(s.Text, "...") }

// splats prints the first splat of each kind with its call trace, and counts the others. If
// there are too many kinds, it prints only the headlines of the last ones.
func splats(w io.Writer, dir string, r verdict.Result, show extent) {
	for n, all := range kindsOf(r) {
		if n >= show.splats {
			fmt.Fprintf(w, "  and %s: %s (%s)\n", times(len(all)), look.Harmless(all[0].Text), all[0].where(dir))
			continue
		}
		fmt.Fprintf(w, "  splat %s (%s):\n", during(all[0].Test), all[0].where(dir))
		trace(w, all[0].More, show.trace)
		if near := all[0].Near; near != "" {
			fmt.Fprintf(w, "    nearest: %s\n", look.Harmless(near))
		}
		if len(all) > 1 {
			fmt.Fprintf(w, "    and %s more, such as in %s\n", times(len(all)-1), all[1].where(dir))
		}
	}
}

// kindsOf returns the splats that are not allowed, those of one kind together.
func kindsOf(r verdict.Result) [][]splat {
	var kinds [][]splat
	at := make(map[string]int)
	for _, l := range r.Lanes {
		for _, s := range l.Splats {
			one := splat{s, l.Lane}
			if s.Allowed != "" {
				continue
			}
			i, ok := at[one.kind()]
			if !ok {
				i = len(kinds)
				at[one.kind()], kinds = i, append(kinds, nil)
			}
			kinds[i] = append(kinds[i], one)
		}
	}
	return kinds
}

// trace prints the useful lines of a splat, limit at most.
func trace(w io.Writer, lines []string, limit int) {
	shown := slices.DeleteFunc(slices.Clone(lines), unread.MatchString)
	for i, line := range shown {
		if i == limit {
			fmt.Fprintf(w, "    ... and %d more lines\n", len(shown)-i)
			return
		}
		fmt.Fprintf(w, "    | %s\n", strings.TrimRight(look.Harmless(line), " "))
	}
}

func during(test string) string {
	if test == "" {
		return "outside the tests"
	}
	return "during " + test
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
