package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/vm"
)

// kernelVerb builds the kernel of one series and prints where it is.
func kernelVerb(ctx context.Context, a *app, _ []string) (int, error) {
	in, err := a.loadOne(ctx)
	if err != nil {
		return 0, err
	}
	image, err := a.buildOne(ctx, in)
	if err != nil {
		return 0, err
	}
	a.describe(image)
	fmt.Println(image.Vmlinux)
	return 0, nil
}

// loadOne is loadInputs where one series only can be meant.
func (a *app) loadOne(ctx context.Context) (inputs, error) {
	in, err := a.loadInputs(ctx)
	if err == nil && len(in.series) != 1 {
		err = usagef("-series: this verb takes one, not %d", len(in.series))
	}
	return in, err
}

// buildOne builds the kernel of the one series.
func (a *app) buildOne(ctx context.Context, in inputs) (kernel.Image, error) {
	base, err := a.source.Fetch(ctx, a.cache, a.progress)
	if err != nil {
		return kernel.Image{}, err
	}
	return kernel.Build(ctx, a.cache, kernel.Spec{Base: base, Series: in.series[0], Config: in.config}, a.progress)
}

// initramfsVerb builds the archive and prints its tests.
func initramfsVerb(ctx context.Context, a *app, _ []string) (int, error) {
	noKernel := kconfig.Config{} // and so none of the tests that are for some only
	archive, err := a.buildArchive(ctx, a.initramfsSpec(cmp.Or(a.design, defaultDesign), noKernel))
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(a.out, archive.CPIO, 0o644); err != nil {
		return 0, err
	}
	for _, t := range archive.Plan.Tests {
		fmt.Println(t)
	}
	a.progress.Step("wrote %s: %d tests, %.1f MB, plan %s", a.out, len(archive.Plan.Tests), float64(len(archive.CPIO))/1e6, archive.Plan.ID)
	return 0, nil
}

// shellVerb boots into a shell on this terminal.
func shellVerb(ctx context.Context, a *app, _ []string) (int, error) {
	if err := vm.Check(); err != nil {
		return 0, err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return 0, err
	}
	in, err := a.loadOne(ctx)
	if err != nil {
		return 0, err
	}
	if in.series[0], err = a.settle(ctx, in, in.series[0]); err != nil {
		return 0, err
	}
	spec := a.initramfsSpec(in.series[0].Design, in.config)
	spec.Shell = true
	archive, err := a.buildArchive(ctx, spec)
	if err != nil {
		return 0, err
	}
	image, err := a.buildOne(ctx, in)
	if err != nil {
		return 0, err
	}
	a.describe(image)
	tmp, err := os.MkdirTemp("", "vmtest-shell-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	g, err := guestOf(image)
	if err != nil {
		return 0, err
	}
	g.Initramfs, g.Accel, g.QEMU = filepath.Join(tmp, "initramfs.cpio"), a.accel, qemu
	if g.Accel == vm.Auto {
		g.Accel = vm.Known(g, filepath.Join(a.cache.Dir, "kvm"))
	}
	if err := os.WriteFile(g.Initramfs, archive.CPIO, 0o644); err != nil {
		return 0, err
	}
	a.progress.Step("boot a shell (%s); tests are in the folder it starts in; \"exit\" or Ctrl-] ends it", g.Accel)
	return 0, vm.Shell(ctx, g, os.Stdin, os.Stdout)
}
