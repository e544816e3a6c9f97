// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// builds is the folder of all steps that build: the kernel without time namespaces begins with the
// objects of the one with them. So one step builds at a time, and it has all cores, while others boot.
const builds = "builds"

// Boots is the name of the only rule that boots a kernel and runs tests.
const Boots = "boots"

// StepNames returns the names of all rules, each once.
func StepNames() []string {
	var names []string
	for _, rule := range new(checking).rules() {
		if !slices.Contains(names, rule.Name) {
			names = append(names, rule.Name)
		}
	}
	return names
}

// asked reports whether a rule is to be checked.
func (c Checker) asked(name string) bool { return c.Only == nil || slices.Contains(c.Only, name) }

// leaveOut takes the rules out of c.steps that are not to be checked, or that need a program which
// this machine does not have. A rule that the user names is not left out for want of its program.
func (c *checking) leaveOut() error {
	c.leftOut = slices.DeleteFunc(StepNames(), c.asked)
	var left []step
	for _, s := range c.steps {
		_, err := exec.LookPath(s.program)
		switch {
		case !c.asked(s.Name):
		case s.program == "" || err == nil:
			left = append(left, s)
		case c.Only != nil:
			return fmt.Errorf("the rule %s needs the program %s: %w; install it, or leave the rule out of -steps", s.Name, s.program, err)
		default:
			c.leftOut = append(c.leftOut, fmt.Sprintf("%s (there is no %s)", s.Name, s.program))
		}
	}
	c.steps = left
	return nil
}

// rules returns all steps in the order of the columns.
func (c *checking) rules() []step {
	formal := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name, Formal: true}, ask: ask}
	}
	quick := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name}, ask: ask}
	}
	heavy := func(name string, ask func(context.Context, prefix) error) step {
		return step{Step: several.Step{Name: name, Heavy: true}, folder: builds, ask: ask}
	}
	config := c.Request.Config
	const built = "TIME_NS=y"
	boots := step{Step: several.Step{Name: Boots, Heavy: true, Boots: true}, boot: c.boots, after: built}
	if !c.asked(built) { // nothing has built the kernel that it boots
		boots.folder, boots.after = builds, ""
	}
	return []step{
		formal("form", c.form),
		quick("applies", func(ctx context.Context, at prefix) error { _, err := c.tree(ctx, at); return err }),
		formal("checkpatch", c.checkpatch),
		quick("kernel-doc", c.warningsOf(kernelDoc)),
		c.with(sphinx, hasPages(c.series.Patches), quick("docs", c.warningsOf(docs))),
		c.with(groff, len(c.series.Man) > 0, quick("man", c.man)),
		heavy(built, c.build(config)),
		heavy(kernel.Sparse.Name, c.lint(kernel.Sparse, config)), // before W=1, which compiles the sources with other options
		heavy(kernel.W1.Name, c.lint(kernel.W1, config)),
		heavy("TIME_NS=n", c.build(c.timeless)),
		heavy(kernel.W1.Name, c.lint(kernel.W1, c.timeless)),
		boots,
	}
}

// with returns a step that needs a program, if the series has something for it.
func (c *checking) with(program string, needed bool, s step) step {
	if needed {
		s.program = program
	}
	return s
}

// complaints returns a blame.RuleError, or nil if there are no complaints.
func complaints(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return &blame.RuleError{Complaints: all}
}

// warnings returns the warnings as complaints.
func warnings(found []kbuild.Warning) error {
	var all []string
	for _, w := range found {
		all = append(all, w.String())
	}
	return complaints(all)
}

func (c *checking) checkpatch(ctx context.Context, at prefix) error {
	found, err := checkpatch(ctx, at.on, c.base, at.patch())
	if err != nil {
		return err
	}
	return complaints(unexcused(at.patch(), found, c.excuses))
}

// warningsOf returns a step that asks a program for its warnings about a tree.
func (c *checking) warningsOf(program func(context.Context, host.Host, kernel.Tree) ([]kbuild.Warning, error)) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		tree, err := c.tree(ctx, at)
		if err != nil {
			return err
		}
		found, err := program(ctx, at.on, tree)
		if err != nil {
			return err
		}
		return warnings(found)
	}
}

// spec returns the kernel of a prefix. Kernels that are only built are built in one folder
// for all series, because several series may begin with the same patches.
func (c *checking) spec(ctx context.Context, at prefix, config kconfig.Config) (kernel.Spec, error) {
	tree, err := c.tree(ctx, at)
	if !slices.Equal(config.Options, c.Request.Config.Options) {
		tree.Series.Name = "check"
	}
	return kernel.Spec{Tree: tree, Config: config, Make: c.Request.Make, Share: c.Request.ShareKernel}, err
}

// build returns a step that builds a kernel. A warning is new unless the base has it in the
// same file, compiled with W=1. What an earlier build of the base printed is not used: it
// depends on what was compiled before.
func (c *checking) build(config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		spec, err := c.spec(ctx, at, config)
		if err != nil {
			return err
		}
		image, err := kernel.Build(ctx, at.on, spec)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, kernel.W1, config, kbuild.Warnings(strings.Join(image.Warnings, "\n")))
	}
}

// buildBase builds the base of a presubmit with all cores, before anything else is built. A presubmit
// needs the kernel of the base, too. If it is built first, make compiles the whole kernel once: the
// kernels of the patches begin with its objects. If the base does not build, no patch does, and the
// judge says why.
func (c *checking) buildBase(ctx context.Context) error {
	if !c.plan.Presubmit {
		return nil
	}
	c.Report.Step("%s: the base, with whose objects the kernels of the patches begin", c.series.Name)
	at := to(1, c.series).without()
	at.on = c.Host
	if _, err := c.image(ctx, at); ctx.Err() != nil {
		return err
	}
	return nil
}

func (c *checking) lint(l kernel.Linter, config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		spec, err := c.spec(ctx, at, config)
		if err != nil {
			return err
		}
		patched, err := l.Lint(ctx, at.on, spec, c.sources)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, l, config, patched)
	}
}

// newWarnings complains about the warnings that the base does not have.
func (c *checking) newWarnings(ctx context.Context, at prefix, l kernel.Linter, config kconfig.Config, patched []kbuild.Warning) error {
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
	base, err := l.Lint(ctx, at.on, spec, sources)
	if err != nil {
		return fmt.Errorf("the base itself: %v", err) // no patch is to blame
	}
	return warnings(kbuild.NewWarnings(base, patched))
}

// smallPlan selects tests that show that a kernel boots. It is used if -run selects no
// other test.
var smallPlan = regexp.MustCompile(`^timens\.Test(Clock|Offset)`)

// boots runs the tests that should pass at this patch, and returns the run. If the last patch has
// the same kernel, its run has the answer.
//
// At the last patch it runs all tests in all lanes. At an earlier patch it runs one lane.
// There, the kernel's own selftests are those that have to pass on the base and with the
// series, because a series changes selftests in its last patches. The other tests are
// chosen in the same way until clone3() has the structures that they use, and at all of these
// patches if the series has no design: nobody says which of its patches a test is for.
//
// For the base it uses the lanes of the patch. Tests find leaks of tasks and namespaces. If
// kmemleak is configured, it finds leaks of memory at the end of a boot.
func (c *checking) boots(ctx context.Context, at prefix) (several.Found, error) {
	if id, err := c.asLast(ctx, at); id != "" || err != nil {
		return several.Found{AsLast: id}, err
	}
	req := c.Request
	req.Series = at.series
	if !at.last() {
		req.Lanes = req.Lanes[:1]
	}
	if !at.last() || at.base {
		var err error
		if req, err = c.early(ctx, req, at); err != nil {
			return several.Found{}, err
		}
	}
	name := fmt.Sprintf("%04d", at.n)
	if at.base {
		name += "-base"
	}
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return several.Found{}, err
	}
	_, err := run.Remembered(ctx, at.on, req, dir)
	return several.Found{Run: name}, err
}

// asLast returns the build ID of the kernel of a patch if the patches behind it change neither the
// kernel nor its selftests. It is "" if they may, and for the base and the last patch.
func (c *checking) asLast(ctx context.Context, at prefix) (string, error) {
	if at.base || at.last() {
		return "", nil
	}
	for _, p := range c.series.Patches[at.n:] {
		if slices.ContainsFunc(p.Touches(), tested) {
			return "", nil
		}
	}
	here, err := c.image(ctx, at)
	if err != nil {
		return "", err
	}
	last := to(at.of, c.series)
	last.on = at.on
	end, err := c.image(ctx, last)
	if err != nil || here.VmlinuxSHA256 != end.VmlinuxSHA256 {
		return "", nil // what is wrong with the last patch, its own steps say
	}
	return here.BuildID, nil
}

// tested says that a file becomes a part of the kernel, or of what runs in the guest.
func tested(file string) bool { return !strings.HasPrefix(file, "Documentation/") }

// image returns the kernel of a prefix, which has been built before.
func (c *checking) image(ctx context.Context, at prefix) (kernel.Image, error) {
	spec, err := c.spec(ctx, at, c.Request.Config)
	if err != nil {
		return kernel.Image{}, err
	}
	return kernel.Build(ctx, at.on, spec)
}

// early returns the request with the tests that should pass before the last patch.
func (c *checking) early(ctx context.Context, req run.Request, at prefix) (run.Request, error) {
	with, err := verdict.ParseExpect(req.Series.Expect)
	if err != nil {
		return req, err
	}
	inTree := req.Base.Tree != ""
	control, with := verdict.On(c.control, c.base.Version, inTree), verdict.On(with, c.base.Version, inTree)
	complete := c.series.Design != wire.NoDesign // such a series adds no structure, but what tests expect
	if complete {
		if complete, err = c.hasABI(ctx, at); err != nil {
			return req, err
		}
	}
	req.Without = tooEarly(complete, control, with)
	if !complete {
		req.Series.Design, req.Series.Expect = wire.NoDesign, nil
	}
	if req.Match == nil {
		return req, nil
	}
	archive, err := req.Archive(ctx, at.on, req.Series.Design, req.Config)
	if errors.Is(err, initramfs.ErrEmptyPlan) || err == nil && !slices.ContainsFunc(req.Lanes, func(lane string) bool { return len(archive.Plan.In(lane).Tests) > 0 }) {
		req.Match = smallPlan
	}
	return req, nil
}

// tooEarly returns a function that reports whether a test may fail before the last patch. complete
// says whether clone3() has the structures that the tests use.
func tooEarly(complete bool, control, with []verdict.Expectation) func(wire.TestID) bool {
	return func(id wire.TestID) bool {
		if complete && strings.TrimSuffix(id.Package, wire.I386) != wire.Kselftest {
			return false
		}
		return verdict.Expected(control, id) != verdict.Pass || verdict.Expected(with, id) != verdict.Pass
	}
}

// hasABI reports whether a kernel's clone3() has the structures that the tests of the
// design use.
func (c *checking) hasABI(ctx context.Context, at prefix) (bool, error) {
	spec, err := c.spec(ctx, at, c.Request.Config)
	if err != nil {
		return false, err
	}
	image, err := c.image(ctx, at)
	if err != nil {
		return false, err
	}
	spec.Tree.Series.Design = c.series.Design
	record, _, err := run.ABI(ctx, at.on, image, spec)
	return record.Whole(), err
}
