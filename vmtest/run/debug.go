// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// Debugging says how a test of a stored run is debugged. Dir has to be set.
type Debugging struct {
	Dir  string // folder of the run
	Test string // "package.TestX" or "TestX"; "": the first that was not as expected
	Lane string // "": the one in which the test was not as expected

	AtFail    bool // run the test and stop where it fails; else stop before it
	Count     int  // run the test in so many fresh guests; 0: in one, and with UntilFail in mostGuests
	UntilFail bool // run the test in fresh guests until it fails
	Alone     bool // do not run the tests before it
	Now       bool // take the tests of the checkout, even if they are others than those of the run

	GDB        string // see vm.Change
	BreakPatch bool   // see Request
	Vmcore     string // see Request
	Replay     bool   // run the recorded guest again, to the same instruction; there is no shell
	Dump       bool   // leave a vmcore where the guest stops; Vmcore has to be set

	Args  []string // command for the shell; none: the shell itself
	With  []string // see Request
	Share string   // see Request
}

// OpensShell reports whether a guest opens a shell. Several guests open none, unless the one in which
// the test fails is to stop there.
func (d Debugging) OpensShell() bool {
	if d.UntilFail {
		return d.AtFail
	}
	return d.Count == 0
}

// debugger debugs one test of a stored run.
type debugger struct {
	runner
	Debugging
	stored storedRun
	test   wire.TestID
	guest  vm.Guest
	plan   wire.Plan // of the lane
	left   wire.Carried
	files  initramfs.Archive
}

// Debug boots the kernel, the archive and the plan of a stored run, and opens a shell at a test.
// It returns the exit code of the shell. With Count or UntilFail it returns 1 if the test was not
// as expected in one of the guests.
func Debug(ctx context.Context, h host.Host, checkout Checkout, d Debugging) (int, error) {
	if err := vm.Check(); err != nil {
		return 0, err
	}
	stored, err := loadRun(ctx, h, checkout, d.Dir)
	if err != nil {
		return 0, err
	}
	g := &debugger{runner: runner{Host: h, Request: stored.request}, Debugging: d, stored: stored}
	if err := g.choose(); err != nil {
		return 0, err
	}
	if d.Replay {
		return g.replay(ctx)
	}
	if err := g.prepare(ctx); err != nil {
		return 0, err
	}
	if !d.OpensShell() {
		return g.repeat(ctx)
	}
	return g.shell(ctx)
}

// choose finds the test and the lane.
func (d *debugger) choose() error {
	if d.Lane != "" {
		if _, ok := d.stored.lane(d.Lane); !ok {
			return blame.Usagef("the run in %s booted no guest in the lane %s", d.Dir, d.Lane)
		}
	}
	if d.Test == "" {
		for _, f := range d.stored.result.Findings {
			if f.Test != "" && (d.Lane == "" || d.Lane == f.Lane) {
				d.Test, d.Lane = f.Test, f.Lane
				break
			}
		}
	}
	if d.Test == "" {
		return blame.Usagef("every test of %s was as expected; name the one to debug: vmtest debug %s TEST", d.Dir, d.Dir)
	}
	var all []wire.TestID
	for _, l := range d.stored.evidence.Lanes {
		if l, ok := d.stored.lane(l.Lane); ok && (d.Lane == "" || d.Lane == l.Lane) {
			for _, t := range l.Planned().Tests {
				if !slices.Contains(all, t.TestID) {
					all = append(all, t.TestID)
				}
			}
		}
	}
	matching := slices.DeleteFunc(slices.Clone(all), func(id wire.TestID) bool { return id.String() != d.Test && id.Name != d.Test })
	switch len(matching) {
	case 0:
		var names []string
		for _, id := range all {
			names = append(names, id.String(), id.Name)
		}
		return blame.Usagef("the run in %s has no test %s%s; its report lists them", d.Dir, d.Test, nearest.DidYouMean(d.Test, names))
	case 1:
		d.test = matching[0]
	default:
		var names []string
		for _, id := range matching {
			names = append(names, id.String())
		}
		return blame.Usagef("the run in %s has several tests %s; name one of %s", d.Dir, d.Test, strings.Join(names, ", "))
	}
	d.chooseLane()
	return nil
}

// chooseLane takes the lane in which the test was not as expected, or else the first that has
// run it.
func (d *debugger) chooseLane() {
	if d.Lane != "" {
		return
	}
	for _, f := range d.stored.result.Findings {
		if f.Test == d.test.String() {
			d.Lane = f.Lane
			return
		}
	}
	for _, l := range d.stored.evidence.Lanes {
		if l, ok := d.stored.lane(l.Lane); ok && slices.ContainsFunc(l.Planned().Tests, func(t wire.Test) bool { return t.TestID == d.test }) {
			d.Lane = l.Lane
			return
		}
	}
}

// prepare makes the kernel and the archive of the run, and proves that they are the same.
func (d *debugger) prepare(ctx context.Context) error {
	lane, _ := d.stored.lane(d.Lane) // choose has found it
	boot := firstBoot(lane)
	image, err := d.image(ctx, *boot)
	if err != nil {
		return err
	}
	d.describe(image)
	change := d.Request.Guest
	change.GDB = d.GDB
	if d.guest, err = d.runner.newGuest(image, change); err != nil {
		return err
	}
	if d.GDB != "" {
		d.Request.BreakPatch = d.BreakPatch
		if d.guest.GDB, err = d.gdb(ctx, image, func() (kernel.Tree, error) { return d.tree(ctx) }); err != nil {
			return err
		}
	}
	d.Request.Vmcore = d.Debugging.Vmcore
	if d.guest.Vmcore, err = d.vmcore(ctx, image, func() (kernel.Tree, error) { return d.tree(ctx) }); err != nil {
		return err
	}
	d.guest.Lane, d.guest.Long, d.guest.Accel, d.guest.Key = d.Lane, d.Long, boot.Accel, rand.Text()
	if d.guest.QEMU, err = vm.Version(ctx); err != nil {
		return err
	}
	if d.guest.QEMU != boot.QEMU {
		d.Report.Step("the run had another QEMU: %s", boot.QEMU)
	}
	if d.guest.Accel == vm.KVM && d.GDB != "" {
		d.Report.Step("the run had KVM; for gdb the guest is emulated, so that its clock waits while it is stopped")
		d.guest.Accel = vm.TCG
	}
	if d.guest.Accel == vm.KVM && vm.Known(d.guest, d.knowsKVM()) != vm.KVM {
		d.Report.Step("the run had KVM, which is not known to work here; the guest is emulated")
		d.guest.Accel = vm.TCG
	}
	options, err := d.optionsOf(image)
	if err != nil {
		return err
	}
	if err := d.archive(ctx, options, *lane.Planned()); err != nil {
		return err
	}
	if d.files, err = d.traced(ctx, d.files, image, func() (kernel.Tree, error) { return d.tree(ctx) }); err != nil {
		return err
	}
	d.place(lane)
	return nil
}

// image returns the kernel of a boot: from the cache, or else built again.
func (d *debugger) image(ctx context.Context, was wire.Boot) (kernel.Image, error) {
	needsDebug := d.GDB != "" || d.Debugging.Vmcore != "" || len(d.Trace) > 0
	image, ok, err := kernel.Find(ctx, d.Host, was.VmlinuxSHA256)
	switch {
	case err != nil || ok && !needsDebug:
		return image, err
	case !ok:
		d.Report.Step("the cache does not have the kernel with the build ID %.12s; it is built again", was.BuildID)
	default:
		if err := image.FetchDebug(ctx, d.Host); err == nil || ctx.Err() != nil {
			return image, ctx.Err()
		}
	}
	tree, err := d.tree(ctx)
	if err != nil {
		return image, fmt.Errorf("the kernel of %s cannot be made again: %w", ShortPath(d.Dir), err)
	}
	image, err = kernel.Build(ctx, d.Host, kernel.Spec{Tree: tree, Config: d.Config, Make: d.Make, Prebuilt: d.Prebuilt, Coverage: d.Coverage, NeedDebug: needsDebug})
	if err != nil {
		return image, fmt.Errorf("the kernel of %s cannot be made again: %w", ShortPath(d.Dir), err)
	}
	if image.BuildID != was.BuildID {
		return image, d.stored.differs("the kernel", was.BuildID, image.BuildID)
	}
	return image, nil
}

// tree makes the tree of the run.
func (d *debugger) tree(ctx context.Context) (kernel.Tree, error) { return d.Request.Tree(ctx, d.Host) }

// archive makes the archive of the run, with a shell unless none is to be opened. options are those
// of the kernel, and was is the plan of the lane.
func (d *debugger) archive(ctx context.Context, options []string, was wire.Plan) error {
	spec := d.archiveSpec(d.Series.Design, options)
	spec.Key = d.guest.Key
	spec.Files = d.selftests(func() (kernel.Tree, error) { return d.tree(ctx) })
	spec.Flags = func(context.Context) (uint64, error) { return was.CloneFlags, nil }
	if d.OpensShell() {
		spec.Debug, spec.With, spec.Share = &wire.Debug{Test: d.test, AtFail: d.AtFail}, d.With, d.Share
	}
	archive, err := buildArchive(ctx, d.Host, spec)
	if given, ok := errors.AsType[*initramfs.HostFileError](err); ok {
		return &blame.UsageError{Err: given}
	}
	if err != nil {
		return err
	}
	if arranged, err := d.stored.arranged(archive); err == nil { // else the tests are others than those of the run
		archive = arranged
	}
	d.guest.Shard = archive.Plan.ShardOf(d.Lane, d.test)
	d.files, d.plan = archive, archive.Plan.In(d.Lane).Shard(d.Lane, d.guest.Shard)
	if archive.Plan.ID == was.ID {
		return nil
	}
	if !d.Now {
		return fmt.Errorf("%w; or pass -now to debug the tests as they are now", d.stored.differs("the plan", was.ID, archive.Plan.ID))
	}
	if !slices.ContainsFunc(d.plan.Tests, func(t wire.Test) bool { return t.TestID == d.test }) {
		return blame.Usagef("the checkout has no test %s any more", d.test)
	}
	d.Report.Step("the tests are others than those of the run")
	return nil
}

// place sets with which test the guest begins: with that of the boot that ran the test.
func (d *debugger) place(lane verdict.LaneEvidence) {
	boots := lane.BootsOf(d.guest.Shard)
	at := slices.IndexFunc(d.plan.Tests, func(t wire.Test) bool { return t.TestID == d.test })
	later := d.plan.Later()
	for _, b := range boots {
		if b.Boot != nil && b.Boot.From <= at && (at < later || b.Boot.From >= later) {
			d.guest.From = b.Boot.From
		}
	}
	if at >= later {
		d.guest.From = max(d.guest.From, later)
		d.left = carried(boots)
		d.guest.Carried = d.left.Digest()
	}
	if d.Alone {
		d.guest.From = at
	}
}

// writeArchive writes the archive to a folder, and returns a function that removes it.
func (d *debugger) writeArchive(dir string) (remove func(), err error) {
	text := d.files.CPIO
	if d.left != nil {
		if text, err = d.files.With(d.left); err != nil {
			return nil, err
		}
	}
	d.guest.Initramfs = filepath.Join(dir, "initramfs.cpio")
	// An archive that cannot be removed only takes space.
	return func() { _ = os.Remove(d.guest.Initramfs) }, os.WriteFile(d.guest.Initramfs, text, 0o644)
}

// shell opens a shell at the test: with UntilFail in the first guest in which the test fails, if there
// is one.
func (d *debugger) shell(ctx context.Context) (int, error) {
	if !d.UntilFail {
		code, _, err := d.shellOnce(ctx)
		return code, err
	}
	total := cmp.Or(d.Count, mostGuests)
	for n := 1; n <= total; n++ {
		code, stopped, err := d.shellOnce(ctx)
		if err != nil || stopped {
			return code, err
		}
		d.Report.Step("guest %d of %d: %s has not failed", n, total, d.test)
	}
	fmt.Printf("%s, lane %s: failed in 0 of %d guests\n", d.test, d.guest.Lane, total)
	return 0, nil
}

// shellOnce boots a guest, and opens a shell where it stops. With UntilFail there is no shell if the
// test does not fail. stopped reports whether there was a shell.
func (d *debugger) shellOnce(ctx context.Context) (code int, stopped bool, err error) {
	dir, err := os.MkdirTemp("", "vmtest-debug-")
	if err != nil {
		return 0, false, err
	}
	remove, err := d.writeArchive(dir)
	defer func() {
		if remove != nil {
			remove()
		}
		if err == nil || ctx.Err() != nil {
			discard(dir)
		}
	}()
	if err != nil {
		return 0, false, err
	}
	limits := limitsOf(d.guest.Lane, d.Timeout)
	d.Report.Step("boot the guest of the run up to %s, lane %s (%s)", d.test, d.guest.Lane, d.guest.Accel)
	code, err = vm.Shell(ctx, d.guest, vm.Session{
		Args: d.Args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Dir: dir, Boot: limits.Boot,
		Dump: d.Dump, Plan: d.plan, Step: limits.Test + limits.Rest, Record: d.recorded(),
		Stopped: func(where string, ended bool) bool {
			stopped = !ended || !d.UntilFail
			if stopped {
				d.Report.Step("the guest has stopped: %s", where)
			}
			return stopped
		},
		Welcome: func() {
			if !d.AtFail {
				d.Report.Step("Enter runs the test; the line can be edited before")
			}
			d.Report.Step("\"exit\" and Ctrl-D end the shell; Ctrl-] ends the guest, even if it hangs")
		},
	})
	return code, stopped, err
}

// recorded returns a function that reports the tests before the one that is debugged, and
// returns the lines that this one prints.
func (d *debugger) recorded() func(wire.Record) []string {
	var live report.Live
	done, of := 0, slices.IndexFunc(d.plan.Tests, func(t wire.Test) bool { return t.TestID == d.test })-d.guest.From
	return func(r wire.Record) []string {
		switch {
		case r.Type == wire.TypeTrouble:
			return []string{"the guest: " + r.Text}
		case r.Type == wire.TypeStart && *r.TestID != d.test:
			done++
			d.Report.Count("tests", done, of, d.guest.Lane+" "+r.TestID.String())
		case r.Type == wire.TypeOutput && *r.TestID == d.test:
			return live.Add(r.Data)
		}
		return nil
	}
}
