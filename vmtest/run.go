package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/initramfs"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/wire"
)

// runVerb is the straight line, once for every series.
func runVerb(ctx context.Context, a *app, _ []string) (int, error) {
	in, err := a.loadInputs(ctx)
	if err != nil {
		return 0, err
	}
	dir, err := newFolder(a.results, in.names())
	if err != nil {
		return 0, err
	}
	var results []verdict.Result
	for _, s := range in.series {
		sub := dir
		if len(in.series) > 1 {
			sub = filepath.Join(dir, s.Name)
			if err := os.Mkdir(sub, 0o755); err != nil {
				return 0, err
			}
			a.progress.Step("series %s", s.Name)
		}
		r, err := a.runSeries(ctx, in, s, sub)
		if err != nil {
			return 0, err
		}
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	if len(in.series) > 1 {
		text, err := report.CombinedJSON(results)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, report.JSONFile), text, 0o644); err != nil {
			return 0, err
		}
		report.Combined(os.Stdout, results)
	}
	return report.Overall(results).ExitCode(), nil
}

// inputs is what the command line names, read and checked before anything is
// made of it.
type inputs struct {
	series []kernel.Series
	config kconfig.Config
	allow  []byte // the allow file
	every  []byte // the expect file of every kernel
}

func (in inputs) names() string {
	var names []string
	for _, s := range in.series {
		names = append(names, s.Name)
	}
	return strings.Join(names, "+")
}

func (a *app) patchesDir() string { return filepath.Join(a.root, "kernel", "patches") }

func (a *app) loadInputs(ctx context.Context) (inputs, error) {
	fragments, err := a.fragments(a.root)
	if err != nil {
		return inputs{}, err
	}
	var in inputs
	if in.config, err = kconfig.Load(fragments...); err != nil {
		return inputs{}, &usageError{err}
	}
	if in.allow, err = os.ReadFile(filepath.Join(a.root, "kernel", "allow")); err != nil {
		return inputs{}, err
	}
	if _, err := verdict.ParseAllow(in.allow); err != nil {
		return inputs{}, usagef("kernel/%w", err)
	}
	var extra []kernel.Patch
	for _, path := range a.patches {
		p, err := kernel.LoadPatch(path)
		if err != nil {
			return inputs{}, err
		}
		extra = append(extra, p)
	}
	if in.every, err = os.ReadFile(filepath.Join(a.root, "kernel", "expect")); err != nil {
		return inputs{}, err
	}
	if _, err := verdict.ParseExpect(in.every); err != nil {
		return inputs{}, usagef("kernel/%w", err)
	}
	all, err := a.loadSeries(ctx)
	if err != nil {
		return inputs{}, err
	}
	if a.coverage && len(all) == 0 {
		return inputs{}, usagef("-coverage: give the series whose lines are to be counted, by -series or -range")
	}
	if len(all) == 0 { // a tree that is to be tested as it stands
		tree := kernel.Series{Name: "tree"}
		if tree.Foreign, err = a.origin("", tree); err != nil {
			return inputs{}, err
		}
		all = append(all, tree)
	}
	seen := make(map[string]bool)
	for _, s := range all {
		if seen[s.Name] {
			return inputs{}, usagef("-series: there are two series %s", s.Name)
		}
		seen[s.Name] = true
		if _, err := verdict.ParseFloor(s.Floor); err != nil {
			return inputs{}, usagef("series %s: %w", s.Name, err)
		}
		s.Patches = append(s.Patches, extra...)
		if a.coverage && !s.Countable() {
			return inputs{}, usagef("-coverage: the series %s touches no source of the kernel whose lines could be counted", s.Name)
		}
		if s.Expect, err = verdict.JoinExpect(in.every, s.Expect); err != nil {
			return inputs{}, usagef("series %s: %w", s.Name, err)
		}
		if design := cmp.Or(a.design, s.Design); design != "" {
			if s, err = a.withDesign(ctx, in, s, design); err != nil {
				return inputs{}, err
			}
		}
		in.series = append(in.series, s)
	}
	return in, nil
}

// loadSeries reads the series that the command line names.
func (a *app) loadSeries(ctx context.Context) ([]kernel.Series, error) {
	if a.commits != "" {
		s, base, err := kernel.LoadRange(ctx, a.source.Tree, a.commits)
		a.source.Commit = base
		if err == nil {
			s.Foreign, err = a.origin("", s)
		}
		return []kernel.Series{s}, err
	}
	var all []kernel.Series
	for _, which := range a.series {
		s, err := kernel.LoadSeries(ctx, a.patchesDir(), which)
		if err != nil {
			return nil, err
		}
		if s.Foreign, err = a.origin(which, s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// newFolder makes the folder of a run and points "latest" at it.
func newFolder(results, name string) (string, error) {
	results, err := filepath.Abs(results)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return "", err
	}
	stem := time.Now().Format("20060102-150405") + "-" + name
	base := stem
	for n := 2; ; n++ {
		err := os.Mkdir(filepath.Join(results, base), 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		base = fmt.Sprintf("%s-%d", stem, n)
	}
	// Replaced by a rename, so that there is a latest at every moment.
	tmp := filepath.Join(results, "."+base)
	if err := os.Symlink(base, tmp); err != nil {
		return "", err
	}
	return filepath.Join(results, base), os.Rename(tmp, filepath.Join(results, "latest"))
}

// runSeries is judgeSeries with the report on standard output.
func (a *app) runSeries(ctx context.Context, in inputs, s kernel.Series, dir string) (verdict.Result, error) {
	r, err := a.judgeSeries(ctx, in, s, dir)
	if err == nil {
		report.Text(os.Stdout, shortPath(dir), r)
	}
	return r, err
}

// judgeSeries runs one series into dir, judges the folder and writes the
// reports. An error means that not even the folder could be kept.
func (a *app) judgeSeries(ctx context.Context, in inputs, s kernel.Series, dir string) (verdict.Result, error) {
	run := verdict.Run{
		Series: s.Name, Lanes: lanes[a.lane],
		Began: time.Now().Format(time.RFC3339), Command: os.Args, Coverage: a.coverage,
	}
	err := interrupted(ctx, a.gather(ctx, in, s, dir, &run))
	a.progress.clear()
	if err != nil {
		werr := wire.WriteJSON(filepath.Join(dir, verdict.TroubleFile), a.trouble(err))
		path, _ := fileOf(err)
		switch {
		case werr != nil && below(path, dir): // the same again
			return verdict.Result{}, err
		case werr != nil: // whoever is to blame for err, there is no folder to judge
			return verdict.Result{}, fmt.Errorf("%w (before that: %v)", werr, err)
		}
	}
	e, lerr := verdict.Load(dir)
	if lerr != nil {
		return verdict.Result{}, cmp.Or(err, lerr) // a file that err cut off cannot be read
	}
	r := verdict.Judge(e)
	if err := report.Write(dir, r); err != nil {
		return verdict.Result{}, err // not a word of a verdict that was not kept
	}
	return r, nil
}

func (a *app) trouble(err error) verdict.Trouble {
	if _, ok := errors.AsType[*kernel.BuildError](err); ok {
		return verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}
	}
	return verdict.Trouble{Blame: verdict.BlameHost, Text: a.advise(err).Error()}
}

// gather does everything up to the judge: the evidence of the run is in dir
// when it returns, whatever it returns.
func (a *app) gather(ctx context.Context, in inputs, s kernel.Series, dir string, run *verdict.Run) error {
	began := time.Now()
	err := vm.Check()
	if err == nil {
		s, err = a.settle(ctx, in, s)
	}
	if werr := writeInputs(dir, *run, in, s); werr != nil {
		return werr
	}
	if err != nil {
		return err
	}
	// Side by side, and what fails stops the rest: a test that does not compile
	// is known in seconds, and ends a build that takes minutes.
	var qemu string
	var archive initramfs.Archive
	var image kernel.Image
	key := rand.Text()
	parts, partsCtx := errgroup.WithContext(ctx)
	base := sync.OnceValues(func() (kernel.Base, error) { return a.source.Fetch(partsCtx, a.cache, a.progress) })
	parts.Go(func() (err error) {
		qemu, err = vm.Version(partsCtx)
		return err
	})
	parts.Go(func() (err error) {
		spec := a.initramfsSpec(s.Design, in.config)
		spec.Key, spec.Files = key, a.selftests(s, base)
		archive, err = a.buildArchive(partsCtx, spec)
		return err
	})
	parts.Go(func() error {
		from, err := base()
		if err != nil {
			return err
		}
		run.Base = from.Version
		spec := kernel.Spec{Base: from, Series: s, Config: in.config, Log: filepath.Join(dir, "build.log"), Coverage: a.coverage}
		if image, err = kernel.Build(partsCtx, a.cache, spec, a.progress); err != nil {
			return err
		}
		return a.compareABI(partsCtx, image, spec, dir)
	})
	if err := parts.Wait(); err != nil {
		return errors.Join(err, wire.WriteJSON(filepath.Join(dir, verdict.RunFile), run))
	}
	a.describe(image)
	if a.forget && !image.Cached {
		defer image.Forget() // one that stays costs nothing but room
	}
	run.Release, run.KernelCached, run.KernelWarning = image.Release, image.Cached, image.Warnings
	run.PrepareS = time.Since(began).Seconds()
	run.Lanes = slices.DeleteFunc(slices.Clone(run.Lanes), func(lane string) bool { return len(archive.Plan.In(lane).Tests) == 0 })
	if len(run.Lanes) == 0 {
		return fmt.Errorf("%w: lane %s does not run %s; the lane virtual does, or -tests makes it", initramfs.ErrEmptyPlan, a.lane, archive.Plan.Tests[0])
	}
	if err := wire.WriteJSON(filepath.Join(dir, verdict.RunFile), run); err != nil {
		return err
	}
	if err := a.boot(ctx, *run, qemu, image, archive, key, dir); err != nil || !a.coverage {
		return err
	}
	from, err := base() // known by now
	if err != nil {
		return err
	}
	return a.measure(ctx, *run, from, s, image, dir)
}

// writeInputs keeps what the run is made of beside what comes of it.
func writeInputs(dir string, run verdict.Run, in inputs, s kernel.Series) error {
	if err := wire.WriteJSON(filepath.Join(dir, verdict.RunFile), run); err != nil {
		return err
	}
	files := map[string][]byte{"requested.config": in.config.Bytes(), verdict.AllowFile: in.allow}
	if s.Expect != nil {
		files[verdict.ExpectFile] = s.Expect
	}
	if run.Coverage && s.Floor != nil {
		files[verdict.FloorFile] = s.Floor
	}
	list := ""
	for _, p := range s.Patches {
		files[filepath.Join("patches", p.Name)] = p.Text
		list += p.Name + "\n"
	}
	files[filepath.Join("patches", "series")] = []byte(list)
	files[filepath.Join("patches", "design")] = []byte(s.Design + "\n")
	if err := os.Mkdir(filepath.Join(dir, "patches"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// initramfsSpec keeps the guest's binaries per checkout and suites, so that what
// is up to date is not linked again.
func (a *app) initramfsSpec(design string, config kconfig.Config) initramfs.Spec {
	tests, only := a.testFolders(design)
	sum := sha256.Sum256([]byte(strings.Join(append([]string{a.root}, tests...), "\n")))
	timeout := a.timeout
	var options []string
	for _, o := range config.Options {
		options = append(options, o.String())
		if o.String() == "CONFIG_PROVE_LOCKING=y" {
			timeout *= wire.CheckedFactor
		}
	}
	return initramfs.Spec{
		Module:  a.root,
		Scratch: filepath.Join(a.cache.Dir, "guest", hex.EncodeToString(sum[:8])),
		Tests:   tests, Only: only, Design: design, Config: options, Run: a.runRE, Without: a.without, Timeout: timeout,
	}
}

// selftests adds the kernel's own selftests, built from the patched tree, to an
// archive whose plan has tests that run them.
func (a *app) selftests(s kernel.Series, base func() (kernel.Base, error)) initramfs.FilesFunc {
	return func(ctx context.Context, plan wire.Plan) (map[string]string, error) {
		if !slices.ContainsFunc(plan.Tests, func(t wire.Test) bool { return t.Package == wire.Kselftest }) {
			return nil, nil
		}
		from, err := base()
		if err != nil {
			return nil, err
		}
		programs, err := kernel.Selftests(ctx, a.cache, kernel.Spec{Base: from, Series: s}, wire.KselftestSuites, a.progress)
		files := make(map[string]string)
		for name, path := range programs {
			files[filepath.Join(wire.KselftestDir, name)] = path
		}
		return files, err
	}
}

// buildArchive builds an initramfs, one vmtest at a time.
func (a *app) buildArchive(ctx context.Context, s initramfs.Spec) (initramfs.Archive, error) {
	unlock, err := a.cache.Lock(ctx, "guest-"+filepath.Base(s.Scratch), "the guest's programs", a.progress)
	if err != nil {
		return initramfs.Archive{}, err
	}
	defer unlock()
	return initramfs.Build(ctx, s)
}

// guestOf is a guest with this kernel and nothing else yet.
func guestOf(image kernel.Image) (vm.Guest, error) {
	hz, err := image.HZ()
	if err != nil {
		return vm.Guest{}, err
	}
	checked, err := image.Checked()
	return vm.Guest{Kernel: image.Vmlinux, HZ: hz, Checked: checked, BuildID: image.BuildID, ConfigSHA256: image.ConfigSHA256}, err
}

// boot boots the lanes of a run side by side and leaves their evidence.
func (a *app) boot(ctx context.Context, run verdict.Run, qemu string, image kernel.Image, archive initramfs.Archive, key, dir string) error {
	g, err := guestOf(image)
	if err != nil {
		return err
	}
	g.Initramfs, g.Lane, g.Long, g.QEMU, g.Key = filepath.Join(dir, "initramfs.cpio"), wire.Real, a.long, qemu, key
	// The archive can be built again, byte for byte but for its key, and is the
	// largest file by far. One that stays costs nothing but room.
	defer os.Remove(g.Initramfs)
	if err := os.WriteFile(g.Initramfs, archive.CPIO, 0o644); err != nil {
		return err
	}
	choice := vm.Choice{Accel: vm.TCG}
	if slices.Contains(run.Lanes, wire.Real) {
		var err error
		choice, err = vm.ChooseAccel(ctx, a.accel, g, archive.Plan.In(wire.Real), filepath.Join(a.cache.Dir, "kvm"), filepath.Join(dir, "kvm-proof"), a.progress.Step)
		if err != nil {
			return err
		}
	}
	planned, ended := 0, new(atomic.Int64)
	for _, name := range run.Lanes {
		planned += len(archive.Plan.In(name).Tests)
	}
	all, allCtx := errgroup.WithContext(ctx)
	for _, name := range run.Lanes {
		l := lane{app: a, guest: g, archive: archive, plan: archive.Plan.In(name), image: image, dir: filepath.Join(dir, name), ended: ended, of: planned}
		l.guest.Lane, l.guest.Accel = name, vm.TCG
		why := ""
		if name == wire.Real {
			l.guest.Accel, l.learn = choice.Accel, choice.Learn
			if choice.Why != "" {
				why = "; KVM is out: " + choice.Why
			}
		}
		a.progress.Step("boot %d tests in QEMU, lane %s (%s%s); console: %s", len(l.plan.Tests), name, l.guest.Accel, why,
			shortPath(filepath.Join(l.dir, wire.ConsoleFile)))
		all.Go(func() error { return l.boot(allCtx) })
	}
	return all.Wait()
}

// decode writes the console log of a boot again, with source lines.
func (a *app) decode(ctx context.Context, image kernel.Image, dir string) error {
	console, err := os.ReadFile(filepath.Join(dir, wire.ConsoleFile))
	if err != nil || !kernel.HasLocations(console) {
		return err
	}
	text, err := kernel.Decode(ctx, image, console)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, wire.DecodedFile), text, 0o644)
}

// describe says what kernel there is.
func (a *app) describe(image kernel.Image) {
	how := "built"
	if image.Cached {
		how = "cached"
	}
	a.progress.Step("kernel %s, build ID %.12s (%s)", image.Release, image.BuildID, how)
	for i, w := range image.Warnings {
		if i == 3 {
			a.progress.Step("... and %d more compiler warnings in build.log", len(image.Warnings)-i)
			break
		}
		a.progress.Step("compiler warning: %s", w)
	}
}

// shortPath is path relative to the working folder where that is below it.
func shortPath(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

func outFlag(f *flags, set *flag.FlagSet) {
	set.StringVar(&f.out, "o", "initramfs.cpio", "`FILE` to write")
}
