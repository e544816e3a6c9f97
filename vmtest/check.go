package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

func (f *flags) registerCheck(set *flag.FlagSet) {
	f.registerLane(set)
	set.StringVar(&f.results, "results", "", "`DIR` that takes one folder a check (default results/ of the checkout)")
	set.BoolVar(&f.keepGoing, "keep-going", false, "do not stop at the first fault")
}

// seriesCheckVerb holds every patch of some series to the rules for patches.
func seriesCheckVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) == 0 {
		names, err := kernel.Names(a.patchesDir())
		if err != nil {
			return 0, err
		}
		for _, name := range names {
			if s, err := kernel.LoadSeries(ctx, a.patchesDir(), name); err != nil || len(s.Patches) > 0 {
				args = append(args, name)
			}
		}
	}
	a.series, a.timeout = args, defaultTimeout
	ctx, err := a.confine(ctx) // now that it is known whose series they are
	if err != nil {
		return 0, err
	}
	in, err := a.loadInputs(ctx)
	if err != nil {
		return 0, err
	}
	without, err := kconfig.Load(filepath.Join(a.root, "kconfig", "no-timens.config"))
	if err != nil {
		return 0, err
	}
	base, err := a.source.Fetch(ctx, a.cache, a.progress)
	if err != nil {
		return 0, err
	}
	dir, err := newFolder(a.results, "check-"+in.names())
	if err != nil {
		return 0, err
	}
	code := 0
	for _, s := range in.series {
		c := checker{app: a, in: in, base: base, without: without, dir: filepath.Join(dir, s.Name)}
		ok, err := c.check(ctx, s)
		if err != nil {
			return 0, err
		}
		if !ok {
			code = verdict.Failed.ExitCode()
		}
		if code != 0 && !a.keepGoing {
			break
		}
	}
	return code, nil
}

// checker holds one series to the rules.
type checker struct {
	*app
	in      inputs
	base    kernel.Base
	without kconfig.Config // without time namespaces
	dir     string         // takes the evidence of boots
	excuses []kernel.Excuse
	sources []string // that any of the patches touches
}

func (c checker) check(ctx context.Context, s kernel.Series) (bool, error) {
	began := time.Now()
	var err error
	if c.excuses, err = kernel.ParseExcuses(s.Excuses); err != nil {
		return false, usagef("series %s: %w", s.Name, err)
	}
	if len(s.Patches) == 0 {
		return false, usagef("series %s has no patches to check", s.Name)
	}
	c.sources = s.Sources()
	m := newMatrix(prefixes(s), c.steps())
	err = m.fill(ctx, c.keepGoing, func(format string, args ...any) {
		c.progress.Step("%s "+format, append([]any{s.Name}, args...)...)
	})
	c.progress.clear()
	fmt.Printf("series %s on linux-%s\n", s.Name, c.base.Version)
	if werr := m.write(os.Stdout); werr != nil {
		return false, werr
	}
	if err != nil {
		return false, fmt.Errorf("series %s, %w", s.Name, interrupted(ctx, err))
	}
	if err := c.knownPatches(s); err != nil {
		return false, err
	}
	at, step, fault := m.fault()
	if fault != nil {
		fmt.Printf("check    fail: %s, at %s (%.1f s)\n", at, step.name, time.Since(began).Seconds())
		return false, nil
	}
	fmt.Printf("check    pass (%d patches, %.1f s)\n", len(s.Patches), time.Since(began).Seconds())
	return true, nil
}

// knownPatches refuses excuses for patches that the series does not have.
func (c checker) knownPatches(s kernel.Series) error {
	names := make(map[string]bool)
	for _, p := range s.Patches {
		names[p.Name] = true
	}
	for _, e := range c.excuses {
		if !names[e.Patch] {
			return usagef("series %s: checkpatch:%d names %s, which is no patch of it", s.Name, e.Line, e.Patch)
		}
	}
	return nil
}

// steps are the rules, in the order of the columns.
func (c checker) steps() []step {
	return []step{
		{name: "form", ask: func(_ context.Context, at prefix) error { return complaints(at.patch().Formalities()) }},
		{name: "applies", ask: func(ctx context.Context, at prefix) error { return kernel.Check(ctx, c.base, at.series) }},
		{name: "checkpatch", ask: c.checkpatch},
		{name: "TIME_NS=y", heavy: true, ask: c.build(c.in.config)},
		{name: "W=1", heavy: true, ask: c.lint(c.in.config)},
		{name: "TIME_NS=n", heavy: true, ask: c.build(c.without)},
		{name: "W=1", heavy: true, ask: c.lint(c.without)},
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
		return c.newWarnings(ctx, at, config, kernel.Unplaced(strings.Join(image.Warnings, "\n")))
	}
}

func (c checker) lint(config kconfig.Config) func(context.Context, prefix) error {
	return func(ctx context.Context, at prefix) error {
		patched, err := kernel.Lint(ctx, c.cache, c.spec(at.series, config), c.sources, c.progress)
		if err != nil {
			return err
		}
		return c.newWarnings(ctx, at, config, patched)
	}
}

// newWarnings complains of the warnings that the base does not have.
func (c checker) newWarnings(ctx context.Context, at prefix, config kconfig.Config, patched []string) error {
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
	base, err := kernel.Lint(ctx, c.cache, c.spec(unpatched, config), sources, c.progress)
	if err != nil {
		return fmt.Errorf("the base itself: %v", err) // no patch is to blame
	}
	return complaints(kernel.NewWarnings(base, patched))
}

// smallPlan is enough to see that a kernel in the middle of a series works.
var smallPlan = regexp.MustCompile(`^timens\.Test(Clock|Offset)|^clone3\.TestNewTime`)

// boots runs all tests at the last patch. Before it the series has not made
// what they test, and one lane is enough.
func (c checker) boots(ctx context.Context, at prefix) error {
	a, s := *c.app, at.series
	if !at.last() {
		a.runRE = smallPlan
		a.lane = lanes[a.lane][0]
	}
	image, err := kernel.Build(ctx, a.cache, c.spec(s, c.in.config), a.progress)
	if err != nil {
		return err
	}
	spec := a.initramfsSpec(s.Design)
	spec.Files = a.selftests(s, func() (kernel.Base, error) { return c.base, nil })
	archive, err := a.buildArchive(ctx, spec)
	if err != nil {
		return err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return err
	}
	key := strings.Join([]string{"boots 1", image.BuildID, image.ConfigSHA256, archive.Plan.ID, qemu, a.lane, a.accel, string(s.Expect), string(c.in.allow)}, "\n")
	_, err = kernel.Answer(ctx, a.cache, key, a.progress, func() (passed bool, err error) {
		dir := filepath.Join(c.dir, fmt.Sprintf("%04d", at.n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
		r, err := a.judgeSeries(ctx, c.in, s, dir)
		if err != nil || r.Verdict == verdict.Passed {
			return err == nil, err
		}
		found := fmt.Sprintf("%s\nevidence %s", r.Findings[0].Text, shortPath(dir))
		if r.Verdict == verdict.Failed {
			return false, &ruleError{found}
		}
		return false, errors.New(found)
	})
	return err
}
