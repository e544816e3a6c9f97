// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/vmtest/vm"
)

// newGuest returns a guest with this kernel, changed as the user wants it. The caller sets all
// other fields. A kernel that cannot use that many CPUs is a blame.UsageError.
func (r *runner) newGuest(image kernel.Image, change vm.Change) (vm.Guest, error) {
	hz, err := image.HZ()
	if err != nil {
		return vm.Guest{}, err
	}
	most, err := image.CPUs()
	if err != nil {
		return vm.Guest{}, err
	}
	if most > 0 && change.CPUs > most {
		return vm.Guest{}, blame.Usagef("-smp %d: the kernel has CONFIG_NR_CPUS=%d; pass -config with a FILE that has the line CONFIG_NR_CPUS=%d", change.CPUs, most, change.CPUs)
	}
	checked, err := image.Checked()
	return vm.Guest{Kernel: image.Vmlinux, HZ: hz, Checked: checked, BuildID: image.BuildID, ConfigSHA256: image.ConfigSHA256, VmlinuxSHA256: image.VmlinuxSHA256,
		Change: change, Traced: len(r.Trace) > 0}, err
}

// boot boots the named lanes of a run side by side. Each lane leaves its evidence in its
// own folder.
func (r *runner) boot(ctx context.Context, p prepared, names []string) error {
	g, err := r.newGuest(p.image, r.Guest)
	if err != nil {
		return err
	}
	if r.Guest.GDB != "" {
		if g.GDB, err = r.gdb(ctx, p.image, func() (kernel.Tree, error) { return p.tree, nil }); err != nil {
			return err
		}
	}
	if p.archive, err = r.traced(ctx, p.archive, p.image, func() (kernel.Tree, error) { return p.tree, nil }); err != nil {
		return err
	}
	g.Initramfs, g.Lane, g.Long, g.QEMU, g.Key = filepath.Join(r.dir, wire.InitramfsFile), wire.Real, r.Long, p.qemu, p.key
	// The archive is the largest file by far, and can be built again; only the key in
	// it differs. An archive that cannot be removed only takes space.
	defer os.Remove(g.Initramfs)
	if err := os.WriteFile(g.Initramfs, p.archive.CPIO, 0o644); err != nil {
		return err
	}
	choice := vm.Choice{Accel: vm.TCG}
	if slices.Contains(names, wire.Real) {
		var err error
		choice, err = vm.ChooseAccel(ctx, r.Accel, g, p.archive.Plan.In(wire.Real), r.knowsKVM(), filepath.Join(r.dir, "kvm-proof"), r.Report.Step)
		if err != nil {
			return err
		}
	}
	failed, end := context.WithCancelCause(ctx)
	defer end(nil)
	lanes, err := r.lanes(ctx, p, g, choice, names)
	if err != nil {
		return err
	}
	all, guests := errgroup.WithContext(failed)
	for _, l := range lanes {
		if r.FailFast {
			l.stop = func() { end(vm.ErrFailedFast) }
		}
		if err := l.announce(choice); err != nil {
			return err
		}
		all.Go(func() error { return l.run(ctx, guests) })
	}
	if err := all.Wait(); !errors.Is(context.Cause(failed), vm.ErrFailedFast) {
		return err
	}
	return nil // the folders of the lanes have what the judge needs
}

// knowsKVM returns the path of the cache folder that remembers whether a guest boots under
// KVM on this machine.
func (r *runner) knowsKVM() string { return filepath.Join(r.Cache.Dir, "kvm") }

// decode writes a copy of a boot's console log with source lines behind the addresses. It
// writes nothing if the log has no addresses.
func (r *runner) decode(ctx context.Context, image kernel.Image, dir string) error {
	console, err := os.ReadFile(filepath.Join(dir, wire.ConsoleFile))
	if err != nil || !debuginfo.HasLocations(console) {
		return err
	}
	if err := image.FetchDebug(ctx, r.Host); err != nil {
		return err
	}
	text, err := debuginfo.Decode(ctx, r.Sandbox, image, console)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, wire.DecodedFile), text, 0o644)
}
