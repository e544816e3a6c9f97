// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// compile compiles a source with other texts in the place of some files. The object is nil if the compiler
// refuses the source. kernel.Compiler.Compile is one.
type compile func(ctx context.Context, source string, texts map[string]string) (object []byte, printed string, err error)

// refusal is a place that the compiler does not take.
type refusal struct {
	file         string
	line, column int // from 1
	says         string
}

var (
	diagnosticRE = regexp.MustCompile(`^([^\s:]+):(\d+):(\d+): (fatal error|error|warning|note): (.*)`)
	// The compiler takes these, and makes another type of it.
	mismatchRE = regexp.MustCompile(`type mismatch in conditional expression`)
	// With these no other place helps: the edit itself does not compile.
	hopelessRE = regexp.MustCompile(`undeclared|implicit declaration|duplicate case value|has no member|incompatible pointer type|too (few|many) arguments|incompatible types|multiple default|read-only`)
)

// parseRefusals reads what the compiler says of files. An error in a macro is one of the place that uses the
// macro, which the compiler tells in a note: no mutant edits a macro.
func parseRefusals(printed string, texts map[string]string) []refusal {
	var all []refusal
	pending := refusal{}
	end := func() {
		if _, ours := texts[pending.file]; ours {
			all = append(all, pending)
		}
		pending = refusal{}
	}
	for line := range strings.Lines(printed) {
		m := diagnosticRE.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		at := refusal{file: m[1], says: m[5]}
		at.line, _ = strconv.Atoi(m[2])   // they are digits
		at.column, _ = strconv.Atoi(m[3]) // these, too
		_, ours := texts[at.file]
		switch {
		case strings.HasSuffix(m[4], "error"), mismatchRE.MatchString(at.says):
			end()
			pending = at
		case m[4] == "warning":
			end()
		case ours && pending.says != "" && strings.HasPrefix(at.says, "in expansion of macro"):
			at.says = pending.says
			pending = at
		}
	}
	end()
	return all
}

// compileAll compiles sources, several at a time, and returns what the compiler refuses.
func compileAll(ctx context.Context, cc compile, jobs int, sources []string, texts map[string]string) ([]refusal, error) {
	found := make(map[refusal]bool)
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(jobs, 1))
	for _, source := range sources {
		group.Go(func() error {
			object, printed, err := cc(ctx, source, texts)
			if err != nil {
				return err
			}
			refusals := parseRefusals(printed, texts)
			if object == nil && len(refusals) == 0 {
				return fmt.Errorf("%s with mutants asleep does not compile, and none of them is at fault:\n%s", source, printed)
			}
			mutex.Lock()
			defer mutex.Unlock()
			for _, r := range refusals {
				found[r] = true
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b refusal) int {
		return strings.Compare(fmt.Sprintf("%s %09d %09d %s", a.file, a.line, a.column, a.says), fmt.Sprintf("%s %09d %09d %s", b.file, b.line, b.column, b.says))
	}), nil
}
