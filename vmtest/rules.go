package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/wire"
)

// steps are the rules, in the order of the columns.
func (c checker) steps() []step {
	return []step{
		{name: "form", formal: true, ask: func(_ context.Context, at prefix) error { return complaints(at.patch().Formalities()) }},
		{name: "applies", ask: func(ctx context.Context, at prefix) error { return kernel.Check(ctx, c.base, at.series) }},
		{name: "checkpatch", formal: true, ask: c.checkpatch},
		{name: "kernel-doc", ask: c.kernelDoc},
		{name: "TIME_NS=y", heavy: true, ask: c.build(c.in.config)},
		{name: kernel.Sparse.Name, heavy: true, ask: c.lint(kernel.Sparse, c.in.config)}, // before W=1 has the sources compiled otherwise
		{name: kernel.W1.Name, heavy: true, ask: c.lint(kernel.W1, c.in.config)},
		{name: "TIME_NS=n", heavy: true, ask: c.build(c.timeless)},
		{name: kernel.W1.Name, heavy: true, ask: c.lint(kernel.W1, c.timeless)},
		{name: "boots", heavy: true, ask: c.boots},
	}
}

// complaints is nil for none.
func complaints(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return &ruleError{strings.Join(all, "; ")}
}

func (c checker) checkpatch(ctx context.Context, at prefix) error {
	found, err := kernel.Checkpatch(ctx, c.cache, c.base, at.patch(), c.progress)
	if err != nil {
		return err
	}
	return complaints(kernel.Unexcused(at.patch(), found, c.excuses))
}

func (c checker) kernelDoc(ctx context.Context, at prefix) error {
	found, err := kernel.KernelDoc(ctx, c.cache, c.base, at.series, c.progress)
	if err != nil {
		return err
	}
	return complaints(found)
}

// spec is the kernel of a prefix. Kernels that nobody runs are built in one
// folder for all series, as these may begin with the same patches.
func (c checker) spec(s kernel.Series, config kconfig.Config) kernel.Spec {
	if !slices.Equal(config.Options, c.in.config.Options) {
		s.Name = "check"
	}
	return kernel.Spec{Base: c.base, Series: s, Config: config}
}

// build finds a warning new unless the base has it, too, in the same file
// compiled with W=1: what an earlier build of the base printed depends on what
// had been compiled before.
func (c checker) build(config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		image, err := kernel.Build(ctx, c.cache, c.spec(at.series, config), c.progress)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, kernel.W1, config, kernel.Unplaced(strings.Join(image.Warnings, "\n")))
	}
}

func (c checker) lint(l kernel.Linter, config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		patched, err := l.Lint(ctx, c.cache, c.spec(at.series, config), c.sources, c.progress)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, l, config, patched)
	}
}

// newWarnings complains of the warnings that the base does not have.
func (c checker) newWarnings(ctx context.Context, at prefix, l kernel.Linter, config kconfig.Config, patched []string) error {
	if len(patched) == 0 {
		return nil
	}
	sources := slices.Clone(c.sources)
	for _, w := range patched {
		file, _, _ := strings.Cut(w, ": ")
		if strings.HasSuffix(file, ".c") && !slices.Contains(sources, file) {
			sources = append(sources, file)
		}
	}
	unpatched := at.series
	unpatched.Patches = nil
	base, err := l.Lint(ctx, c.cache, c.spec(unpatched, config), sources, c.progress)
	if err != nil {
		return fmt.Errorf("the base itself: %v", err) // no patch is to blame
	}
	return complaints(kernel.NewWarnings(base, patched))
}

// smallPlan shows that a kernel boots, where -run leaves nothing else to do.
var smallPlan = regexp.MustCompile(`^timens\.Test(Clock|Offset)`)

// boots runs every test that should pass at that point: at the last patch all,
// in all lanes. Before it one lane has to do, and of the kernel's own selftests,
// which come last in a series, those that pass on the base and are to pass with
// the series. So it is with all tests until clone3() has what they are about. Leaks of tasks and
// namespaces are found by tests, those of memory by kmemleak at the end of a boot,
// if it is in the configuration. The base is asked in the lanes of the patch that
// it is asked for.
func (c checker) boots(ctx context.Context, at prefix) error {
	a, s := *c.app, at.series
	if !at.last() {
		a.lane = lanes[a.lane][0]
	}
	if !at.last() || at.base {
		with, err := verdict.ParseExpect(s.Expect)
		if err != nil {
			return err
		}
		complete, err := c.hasABI(ctx, s)
		if err != nil {
			return err
		}
		a.without = func(id wire.TestID) bool {
			if complete && id.Package != wire.Kselftest {
				return false
			}
			return verdict.Expected(c.control, id) != verdict.Pass || verdict.Expected(with, id) != verdict.Pass
		}
		if !complete {
			s.Design, s.Expect = wire.NoDesign, nil
		}
		if a.runRE != nil {
			archive, err := a.buildArchive(ctx, a.initramfsSpec(s.Design, c.in.config))
			if errors.Is(err, initramfs.ErrEmptyPlan) || err == nil && len(archive.Plan.In(a.lane).Tests) == 0 {
				a.runRE = smallPlan
			}
		}
	}
	name := fmt.Sprintf("%04d", at.n)
	if at.base {
		name += "-base"
	}
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r, err := a.remembered(ctx, c.in, s, dir)
	if err != nil || r.Verdict == verdict.Passed {
		return err
	}
	found := fmt.Sprintf("%s\nevidence %s", r.Findings[0].Text, shortPath(dir))
	if r.Verdict == verdict.Unjudged {
		return errors.New(found)
	}
	return &ruleError{found}
}

// hasABI reports whether a kernel's clone3() takes what the tests of the design
// give it.
func (c checker) hasABI(ctx context.Context, s kernel.Series) (bool, error) {
	spec := c.spec(s, c.in.config)
	image, err := kernel.Build(ctx, c.cache, spec, c.progress)
	if err != nil {
		return false, err
	}
	record, err := c.abi(ctx, image, spec)
	return record.Whole(), err
}
