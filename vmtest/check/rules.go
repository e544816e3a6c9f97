// SPDX-License-Identifier: BSD-3-Clause

package check

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
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// Boots is the name of the only rule that boots a kernel and runs tests.
const Boots = "boots"

// StepNames are the names of all rules, each once.
func StepNames() []string {
	var names []string
	for _, rule := range new(checking).rules() {
		if !slices.Contains(names, rule.Name) {
			names = append(names, rule.Name)
		}
	}
	return names
}

// asked says that a rule is to be asked.
func (c Checker) asked(name string) bool { return c.Only == nil || slices.Contains(c.Only, name) }

// leftOut names the rules that are not to be asked.
func (c Checker) leftOut() []string { return slices.DeleteFunc(StepNames(), c.asked) }

// rules are all steps that there are, in the order of the columns.
func (c *checking) rules() []step {
	formal := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name, Formal: true}, ask: ask}
	}
	quick := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name}, ask: ask}
	}
	heavy := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name, Heavy: true}, ask: ask}
	}
	config := c.Request.Config
	return []step{
		formal("form", c.form),
		quick("applies", func(ctx context.Context, at prefix) error { _, err := c.tree(ctx, at); return err }),
		formal("checkpatch", c.checkpatch),
		quick("kernel-doc", c.kernelDoc),
		heavy("TIME_NS=y", c.build(config)),
		heavy(kernel.Sparse.Name, c.lint(kernel.Sparse, config)), // before W=1 has the sources compiled otherwise
		heavy(kernel.W1.Name, c.lint(kernel.W1, config)),
		heavy("TIME_NS=n", c.build(c.timeless)),
		heavy(kernel.W1.Name, c.lint(kernel.W1, c.timeless)),
		{Step: several.Step{Name: Boots, Heavy: true, Boots: true}, boot: c.boots},
	}
}

// complaints is nil for none.
func complaints(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return &blame.RuleError{Complaints: all}
}

// warnings are complaints.
func warnings(found []kernel.Warning) error {
	var all []string
	for _, w := range found {
		all = append(all, w.String())
	}
	return complaints(all)
}

func (c *checking) checkpatch(ctx context.Context, at prefix) error {
	found, err := checkpatch(ctx, c.Host, c.base, at.patch())
	if err != nil {
		return err
	}
	return complaints(unexcused(at.patch(), found, c.excuses))
}

func (c *checking) kernelDoc(ctx context.Context, at prefix) error {
	tree, err := c.tree(ctx, at)
	if err != nil {
		return err
	}
	found, err := kernelDoc(ctx, c.Host, tree)
	if err != nil {
		return err
	}
	return warnings(found)
}

// spec is the kernel of a prefix. Kernels that nobody runs are built in one
// folder for all series, as these may begin with the same patches.
func (c *checking) spec(ctx context.Context, at prefix, config kconfig.Config) (kernel.Spec, error) {
	tree, err := c.tree(ctx, at)
	if !slices.Equal(config.Options, c.Request.Config.Options) {
		tree.Series.Name = "check"
	}
	return kernel.Spec{Tree: tree, Config: config}, err
}

// build finds a warning new unless the base has it, too, in the same file
// compiled with W=1: what an earlier build of the base printed depends on what
// had been compiled before.
func (c *checking) build(config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		spec, err := c.spec(ctx, at, config)
		if err != nil {
			return err
		}
		image, err := kernel.Build(ctx, c.Host, spec)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, kernel.W1, config, kernel.Warnings(strings.Join(image.Warnings, "\n")))
	}
}

func (c *checking) lint(l kernel.Linter, config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		spec, err := c.spec(ctx, at, config)
		if err != nil {
			return err
		}
		patched, err := l.Lint(ctx, c.Host, spec, c.sources)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, l, config, patched)
	}
}

// newWarnings complains of the warnings that the base does not have.
func (c *checking) newWarnings(ctx context.Context, at prefix, l kernel.Linter, config kconfig.Config, patched []kernel.Warning) error {
	if len(patched) == 0 {
		return nil
	}
	sources := slices.Clone(c.sources)
	for _, w := range patched {
		if strings.HasSuffix(w.File, ".c") && !slices.Contains(sources, w.File) {
			sources = append(sources, w.File)
		}
	}
	spec, err := c.spec(ctx, at.without(), config)
	if err != nil {
		return err
	}
	base, err := l.Lint(ctx, c.Host, spec, sources)
	if err != nil {
		return fmt.Errorf("the base itself: %v", err) // no patch is to blame
	}
	return warnings(kernel.NewWarnings(base, patched))
}

// smallPlan shows that a kernel boots, where -run leaves nothing else to do.
var smallPlan = regexp.MustCompile(`^timens\.Test(Clock|Offset)`)

// boots runs every test that should pass at that point: at the last patch all,
// in all lanes. Before it one lane has to do, and of the kernel's own selftests,
// which come last in a series, those that pass on the base and are to pass with
// the series. So it is with all tests until clone3() has what they are about. Leaks of tasks and
// namespaces are found by tests, those of memory by kmemleak at the end of a boot,
// if it is in the configuration. The base is asked in the lanes of the patch that
// it is asked for. It returns the folder of the run, within the check's.
func (c *checking) boots(ctx context.Context, at prefix) (string, error) {
	req := c.Request
	req.Series = at.series
	if !at.last() {
		req.Lanes = req.Lanes[:1]
	}
	if !at.last() || at.base {
		var err error
		if req, err = c.early(ctx, req, at); err != nil {
			return "", err
		}
	}
	name := fmt.Sprintf("%04d", at.n)
	if at.base {
		name += "-base"
	}
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	_, err := run.Remembered(ctx, c.Host, req, dir)
	return name, err
}

// early is a request with the tests that should pass before the last patch.
func (c *checking) early(ctx context.Context, req run.Request, at prefix) (run.Request, error) {
	with, err := verdict.ParseExpect(req.Series.Expect)
	if err != nil {
		return req, err
	}
	inTree := req.Base.Tree != ""
	control, with := verdict.On(c.control, c.base.Version, inTree), verdict.On(with, c.base.Version, inTree)
	complete, err := c.hasABI(ctx, at)
	if err != nil {
		return req, err
	}
	req.Without = func(id wire.TestID) bool {
		if complete && id.Package != wire.Kselftest {
			return false
		}
		return verdict.Expected(control, id) != verdict.Pass || verdict.Expected(with, id) != verdict.Pass
	}
	if !complete {
		req.Series.Design, req.Series.Expect = wire.NoDesign, nil
	}
	if req.Match == nil {
		return req, nil
	}
	archive, err := req.Archive(ctx, c.Host, req.Series.Design, req.Config)
	if errors.Is(err, initramfs.ErrEmptyPlan) || err == nil && !slices.ContainsFunc(req.Lanes, func(lane string) bool { return len(archive.Plan.In(lane).Tests) > 0 }) {
		req.Match = smallPlan
	}
	return req, nil
}

// hasABI reports whether a kernel's clone3() takes what the tests of the design
// give it.
func (c *checking) hasABI(ctx context.Context, at prefix) (bool, error) {
	spec, err := c.spec(ctx, at, c.Request.Config)
	if err != nil {
		return false, err
	}
	image, err := kernel.Build(ctx, c.Host, spec)
	if err != nil {
		return false, err
	}
	spec.Tree.Series.Design = c.series.Design
	record, err := run.ABI(ctx, c.Host, image, spec.Tree)
	return record.Whole(), err
}
