package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/wire"
)

func (f *flags) registerPresubmit(set *flag.FlagSet) {
	f.registerTree(set)
	f.registerSource(set)
	f.registerCheck(set)
}

// presubmitVerb asks of some series what a maintainer will: of every patch by
// itself, of the tests without and with the series, and of the lines that it
// changes.
func presubmitVerb(ctx context.Context, a *app, args []string) (int, error) {
	return a.checkEach(ctx, args, "presubmit-", func(ctx context.Context, c checker, s kernel.Series) (verdict.Verdict, error) {
		began := time.Now()
		sub, err := c.presubmit(ctx, s)
		a.progress.clear()
		if err != nil {
			if werr := report.Matrix(os.Stdout, sub.Matrix); werr != nil {
				return verdict.Unjudged, werr
			}
			return verdict.Unjudged, fmt.Errorf("series %s, %w", s.Name, interrupted(ctx, err))
		}
		sub.Commands = a.commands(s, args)
		sub.TookS = time.Since(began).Seconds()
		if err := report.WriteSubmission(c.dir, sub); err != nil {
			return verdict.Unjudged, err
		}
		return sub.Verdict(), report.Submission(os.Stdout, shortPath(c.dir), sub)
	})
}

// presubmit finds out all there is to say of a series. It ends at the first patch
// that is at fault, unless it is to go on.
func (c checker) presubmit(ctx context.Context, s kernel.Series) (verdict.Submission, error) {
	sub := verdict.Submission{Series: s.Name, Base: c.base.Version, Origin: c.base.Origin, Countless: !s.Countable()}
	sub.Local = s.Patches[len(s.Patches)-1].Local
	var err error
	if sub.Toolchain, err = kernel.Tools(ctx); err != nil {
		return sub, err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return sub, err
	}
	sub.Toolchain = append(sub.Toolchain, qemu)
	if sub.Maintainers, err = kernel.Maintainers(ctx, c.cache, c.base, s, c.progress); err != nil {
		return sub, err
	}
	if sub.Matrix, err = c.fill(ctx, s); err != nil {
		return sub, err
	}
	if sub.Whole = c.keepGoing || sub.Matrix.Verdict() == verdict.Passed; !sub.Whole {
		return sub, nil
	}
	c.progress.Step("%s: all tests without and with the series", s.Name)
	compared := filepath.Join(c.dir, "compared")
	if err := os.Mkdir(compared, 0o755); err != nil {
		return sub, err
	}
	if sub.Tests, err = c.compare(ctx, c.in, s, compared, c.remembered); err != nil {
		return sub, err
	}
	if sub.ABI, err = abiChanges(compared, s); err != nil || sub.Countless {
		return sub, err
	}
	c.progress.Step("%s: all tests on a kernel that counts which changed lines run", s.Name)
	sub.Coverage, err = c.countLines(ctx, s)
	return sub, err
}

// countLines runs all tests on a kernel that counts.
func (c checker) countLines(ctx context.Context, s kernel.Series) (verdict.Result, error) {
	a, in := *c.app, c.in
	a.coverage = true
	fragments, err := a.fragments(a.root)
	if err != nil {
		return verdict.Result{}, err
	}
	if in.config, err = kconfig.Load(fragments...); err != nil {
		return verdict.Result{}, err
	}
	dir := filepath.Join(c.dir, "coverage")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return verdict.Result{}, err
	}
	return a.remembered(ctx, in, s, dir)
}

// abiChanges says what user space sees of a series that was compared in dir: how
// clone3()'s structures lie in memory, and how much of the headers changed.
func abiChanges(dir string, s kernel.Series) ([]string, error) {
	names, err := loadPair(dir)
	if err != nil {
		return nil, err
	}
	var abi [2]wire.ABI
	for i, name := range []string{names.Base, names.Series} {
		text, err := os.ReadFile(filepath.Join(dir, name, wire.ABIFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // it did not come to that, and the comparison says why
		}
		if err == nil {
			err = json.Unmarshal(text, &abi[i])
		}
		if err != nil {
			return nil, err
		}
	}
	lines := abi[1].Since(abi[0])
	for _, change := range s.UAPI() {
		lines = append(lines, fmt.Sprintf("%s: +%d -%d lines", change.Path, change.Added, change.Deleted))
	}
	if lines == nil {
		lines = []string{"nothing changes for user space in structures of clone3() and headers"}
	}
	return lines, nil
}

// commands are this one and those of its parts. args are the series that this
// one names.
func (a *app) commands(s kernel.Series, args []string) [][]string {
	given := os.Args[2 : len(os.Args)-len(args)]
	given = slices.DeleteFunc(slices.Clone(given), func(arg string) bool { return strings.TrimLeft(arg, "-") == "keep-going" })
	if a.commits == "" {
		given = append(given, "-series", a.namedAs(s, args))
	}
	part := func(words ...string) []string { return slices.Concat(os.Args[:1], words, given) }
	return [][]string{slices.Clone(os.Args), part("compare"), part("run", "-coverage")}
}

// namedAs is the argument that stands for a series.
func (a *app) namedAs(s kernel.Series, args []string) string {
	for _, arg := range args {
		if name := filepath.Base(arg); name == s.Name || strings.TrimSuffix(name, filepath.Ext(name)) == s.Name {
			return arg
		}
	}
	return s.Name
}
