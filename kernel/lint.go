package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Sources lists the C files that the patches touch, each once, sorted.
func (s Series) Sources() []string {
	var all []string
	for _, p := range s.Patches {
		for _, path := range p.touches() {
			if strings.HasSuffix(path, ".c") && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Lint compiles sources with "make W=1" and returns the compiler's and
// kernel-doc's warnings, Unplaced. Sources that the configuration does not build
// are left out.
func Lint(ctx context.Context, c Cache, s Spec, sources []string, r Reporter) ([]string, error) {
	over, err := apply(ctx, s.Base, s.Series.Patches)
	if err != nil {
		return nil, err
	}
	toolchain, err := toolchainVersion(ctx)
	if err != nil {
		return nil, err
	}
	var files manifest
	if s.Base.ID == "" { // as in Build
		if files, err = survey(ctx, s.Base); err != nil {
			return nil, err
		}
		s.Base.ID = files.digest()
	}
	key := "lint 1 " + digest(s.Base.ID, over.digest(), string(s.Config.Bytes()), toolchain, strings.Join(sources, " "))
	return Answer(ctx, c, key, r, func() ([]string, error) {
		if files == nil {
			if files, err = survey(ctx, s.Base); err != nil {
				return nil, err
			}
		}
		unlock, err := c.Lock(ctx, "work-"+s.workKey(), "another kernel of the series "+s.Series.Name, r)
		if err != nil {
			return nil, err
		}
		defer unlock()
		b := build{Spec: s, toolchain: toolchain, report: r, dir: filepath.Join(c.Dir, "work", s.workKey())}
		return b.lint(ctx, files, over, sources)
	})
}

func (b *build) lint(ctx context.Context, files manifest, over overlay, sources []string) ([]string, error) {
	if err := b.prepare(ctx, files, over); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(b.out(), "vmlinux")); errors.Is(err, fs.ErrNotExist) {
		// Which sources the configuration builds shows in what a build leaves.
		if err := b.compile(ctx); err != nil {
			return nil, err
		}
	}
	targets := []string{"W=1"}
	for _, source := range sources {
		object := strings.TrimSuffix(source, ".c") + ".o"
		if over[source] == nil && files[source] == "" { // a later patch adds it
			continue
		}
		if _, err := os.Stat(filepath.Join(b.out(), object)); err == nil {
			targets = append(targets, object)
		}
	}
	if len(targets) == 1 {
		return nil, nil
	}
	b.report.Step("compile %s with W=1", strings.Join(targets[1:], " "))
	b.printed.text = nil
	if err := b.runMake(ctx, &objectCounter{report: b.report, out: b.out() + "/"}, targets...); err != nil {
		return nil, b.failed(ctx, "build", err)
	}
	return Unplaced(string(b.printed.text)), nil
}

var lintRE = regexp.MustCompile(`(?m)^(?:\S*/src/)?(\S+?):\d+(?::\d+)?: (warning: .*)$`)

// Unplaced are the warnings in an output of make, sorted, with the name of the
// file as it is in the tree and without the line, so that those of two trees
// can be compared.
func Unplaced(output string) []string {
	var all []string
	for _, m := range lintRE.FindAllStringSubmatch(output, -1) {
		all = append(all, m[1]+": "+m[2])
	}
	slices.Sort(all)
	return all
}

// NewWarnings are those that the base does not have, or not as often; both are
// Unplaced.
func NewWarnings(base, patched []string) []string {
	left := make(map[string]int)
	for _, w := range base {
		left[w]++
	}
	var all []string
	for _, w := range patched {
		if left[w]--; left[w] < 0 {
			all = append(all, w)
		}
	}
	return all
}

// Formalities are what a maintainer's scripts would refuse the patch for,
// whatever it does.
func (p Patch) Formalities() []string {
	var all []string
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case p.header.Title == "":
		complain("it has no subject")
	case p.header.Author == nil:
		complain("it has no author")
	case !strings.Contains("\n"+p.header.Body+"\n", "\nSigned-off-by: "+p.header.Author.String()+"\n"):
		complain("there is no Signed-off-by of its author, %s", p.header.Author)
	}
	for _, f := range p.files {
		if !f.IsNew || len(f.TextFragments) == 0 {
			continue
		}
		top := ""
		for _, line := range f.TextFragments[0].Lines[:min(2, len(f.TextFragments[0].Lines))] {
			top += line.Line
		}
		if !strings.Contains(top, "SPDX-License-Identifier: ") {
			complain("%s is new and does not begin with its SPDX-License-Identifier", f.NewName)
		}
	}
	return all
}
