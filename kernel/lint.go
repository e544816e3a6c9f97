package kernel

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
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

// Linter is a way to have make look closer at a source.
type Linter struct {
	Name string
	args []string // of make
	tool string   // that make runs beside the compiler; "" if there is none

	compiles bool // it looks at what make compiles, and at nothing that is up to date
}

// Linters. W1 has the compiler and kernel-doc say more, Sparse runs sparse.
var (
	W1     = Linter{Name: "W=1", args: []string{"W=1"}, compiles: true}
	Sparse = Linter{Name: "sparse", args: []string{"C=2", "CHECK=sparse"}, tool: "sparse"}
)

// Lint makes the objects of sources and returns the linter's warnings, Unplaced.
// Sources that the configuration does not build are left out.
func (l Linter) Lint(ctx context.Context, c Cache, s Spec, sources []string, r Reporter) ([]string, error) {
	over, err := apply(ctx, s.Base, s.Series.Patches)
	if err != nil {
		return nil, err
	}
	toolchain, err := toolchainVersion(ctx)
	if err != nil {
		return nil, err
	}
	var version []byte
	if l.tool != "" {
		if version, err = run(command(ctx, "", nil, l.tool, "--version")); err != nil {
			return nil, err
		}
	}
	var files manifest
	if s.Base, files, err = s.Base.identified(ctx); err != nil {
		return nil, err
	}
	// What only a later patch adds must not tell equal trees apart.
	sources = slices.DeleteFunc(slices.Clone(sources), func(source string) bool { return !over.has(s.Base, source) })
	key := "lint 3 " + l.Name + digest(s.Base.ID, over.digest(), string(s.Config.Bytes()), toolchain, string(version), strings.Join(sources, " "))
	return Answer(ctx, c, key, r, func() ([]string, error) {
		if files == nil {
			if files, err = survey(ctx, s.Base); err != nil {
				return nil, err
			}
		}
		b := s.begin(c, over, toolchain, r)
		unlock, err := b.lock(ctx, c)
		if err != nil {
			return nil, err
		}
		defer unlock()
		return b.lint(ctx, l, files, over, sources)
	})
}

func (b *build) lint(ctx context.Context, l Linter, files manifest, over overlay, sources []string) ([]string, error) {
	if err := b.prepare(ctx, files, over); err != nil {
		return nil, err
	}
	if !b.isCompiled() {
		// Which sources the configuration builds shows in what a build leaves.
		if err := b.compile(ctx); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(b.out())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var targets []string
	for _, source := range sources {
		object := strings.TrimSuffix(source, ".c") + ".o"
		if _, err := root.Stat(object); err != nil {
			continue
		}
		targets = append(targets, object)
	}
	if len(targets) == 0 {
		return nil, nil
	}
	b.report.Step("look at %s with %s", strings.Join(targets, " "), l.Name)
	if l.compiles {
		// What an earlier look has compiled is up to date for make. One that is cut
		// short leaves objects missing.
		if err := os.RemoveAll(b.compiled()); err != nil {
			return nil, err
		}
		for _, object := range targets {
			if err := root.Remove(object); err != nil {
				return nil, err
			}
		}
	}
	b.printed.text = nil
	if err := b.runMake(ctx, &objectCounter{report: b.report, out: b.out() + "/"}, slices.Concat(l.args, targets)...); err != nil {
		return nil, b.failed(ctx, "build", err)
	}
	return Unplaced(string(b.printed.text)), b.setCompiled()
}

// sparse calls an error what does not keep it from going on.
var lintRE = regexp.MustCompile(`(?m)^(?:\S*/src/)?(\S+?):\d+(?::\d+)?: ((?:warning|error): .*)$`)

// Unplaced are the warnings in an output of make or kernel-doc, sorted, with the name of the
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
		if emptied(f) {
			complain("it leaves %s empty; have it remove the file", f.NewName)
		}
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

// emptied says that a patch takes all that is in a file and leaves the file.
func emptied(f *gitdiff.File) bool {
	return !f.IsDelete && len(f.TextFragments) == 1 && f.TextFragments[0].NewPosition == 0 && f.TextFragments[0].NewLines == 0
}
