// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"os"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/kbuild"
)

// Linter is a tool that checks sources when make runs it.
type Linter struct {
	Name string
	args []string // of make
	tool string   // program that make runs besides the compiler; "" if there is none

	compiles bool // it checks only what make compiles, so objects that are up to date have to be removed
}

// The linters. With W1 the compiler and kernel-doc print more warnings. Sparse runs sparse.
var (
	W1     = Linter{Name: "W=1", args: []string{"W=1"}, compiles: true}
	Sparse = Linter{Name: "sparse", args: []string{"C=2", "CHECK=sparse"}, tool: "sparse"}
)

// Lint makes the objects of sources and returns the linter's warnings. Sources that the
// configuration does not build are left out.
func (l Linter) Lint(ctx context.Context, h host.Host, s Spec, sources []string) ([]kbuild.Warning, error) {
	b, err := s.begin(ctx, h)
	if err != nil {
		return nil, err
	}
	var version []byte
	if l.tool != "" {
		if version, err = sandbox.Run(sandbox.Command(ctx, "", nil, l.tool, "--version")); err != nil {
			return nil, err
		}
	}
	// A source that only a later patch adds must not change the key of equal trees.
	sources = slices.DeleteFunc(slices.Clone(sources), func(source string) bool { return !s.Tree.Has(source) })
	key := "lint 5 " + l.Name + cache.Digest(b.key(), string(version), strings.Join(sources, " "))
	return host.Answer(ctx, h, key, func() ([]kbuild.Warning, error) {
		// The objects of a build show which sources the configuration builds.
		leave, err := b.enterMade(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
		return b.lint(ctx, l, sources)
	})
}

// enterMade enters the folder of a build, and makes sure that it has the objects of its kernel. The
// caller calls leave.
func (b *build) enterMade(ctx context.Context) (leave func(), err error) {
	files, err := b.Tree.survey(ctx)
	if err != nil {
		return nil, err
	}
	if leave, err = b.Enter(ctx); err != nil {
		return nil, err
	}
	if err = b.prepare(ctx, files); err == nil && !b.IsCompiled() {
		err = b.compile(ctx)
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// lint checks sources in the folder, which the caller has entered.
func (b *build) lint(ctx context.Context, l Linter, sources []string) ([]kbuild.Warning, error) {
	root, err := os.OpenRoot(b.Out())
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
	b.Report.Step("check %s with %s", strings.Join(targets, " "), l.Name)
	if l.compiles {
		// make does not compile an object that is up to date. If this run is cut short,
		// objects are missing, so the mark of a complete build is removed first.
		if err := b.ClearCompiled(); err != nil {
			return nil, err
		}
		for _, object := range targets {
			if err := root.Remove(object); err != nil {
				return nil, err
			}
		}
	}
	b.printed.Text = nil
	if err := b.runMake(ctx, &kbuild.ObjectCounter{Report: b.Report, Out: b.Out() + "/"}, slices.Concat(l.args, targets)...); err != nil {
		return nil, b.failed(ctx, "build", err)
	}
	return kbuild.Warnings(string(b.printed.Text)), b.SetCompiled()
}
