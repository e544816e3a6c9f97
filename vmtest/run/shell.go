// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/vm"
)

// Shell boots the kernel of a request. It runs a shell on this terminal, or one command,
// and returns the exit code.
func Shell(ctx context.Context, h host.Host, req Request, args []string) (int, error) {
	if err := vm.Check(); err != nil {
		return 0, err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return 0, err
	}
	tree, err := req.Tree(ctx, h)
	if err != nil {
		return 0, err
	}
	if req, err = req.settle(ctx, h, func() (kernel.Tree, error) { return tree, nil }); err != nil {
		return 0, err
	}
	r := &runner{Host: h, Request: req}
	options, err := r.options()
	if err != nil {
		return 0, err
	}
	spec := r.archiveSpec(req.Series.Design, options)
	spec.Shell, spec.With, spec.Share = true, req.With, req.Share
	archive, err := buildArchive(ctx, h, spec)
	if given, ok := errors.AsType[*initramfs.HostFileError](err); ok {
		return 0, &blame.UsageError{Err: given}
	}
	if err != nil {
		return 0, err
	}
	image, err := kernel.Build(ctx, h, kernel.Spec{Tree: tree, Config: r.Config, Make: r.Make, Prebuilt: r.Prebuilt, NeedDebug: r.needsDebug(), Share: r.ShareKernel})
	if err != nil {
		return 0, err
	}
	r.describe(image)
	g, err := r.newGuest(image, req.Guest)
	if err != nil {
		return 0, err
	}
	if req.Guest.GDB != "" {
		if g.GDB, err = r.gdb(ctx, image, func() (kernel.Tree, error) { return tree, nil }); err != nil {
			return 0, err
		}
	}
	if g.Vmcore, err = r.vmcore(ctx, image, func() (kernel.Tree, error) { return tree, nil }); err != nil {
		return 0, err
	}
	if archive, err = r.traced(ctx, archive, image, func() (kernel.Tree, error) { return tree, nil }); err != nil {
		return 0, err
	}
	g.Lane, g.Long, g.Accel, g.QEMU = wire.Real, DefaultLong, r.Accel, qemu
	if g.Accel == vm.Auto {
		g.Accel = vm.Known(g, r.knowsKVM())
	}
	return r.converse(ctx, g, archive, args)
}

// converse boots the guest and connects the shell. It keeps the guest's console if the
// guest ends before its shell does.
func (r *runner) converse(ctx context.Context, g vm.Guest, archive initramfs.Archive, args []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "vmtest-shell-")
	if err != nil {
		return 0, err
	}
	g.Initramfs = filepath.Join(dir, "initramfs.cpio")
	defer func() {
		if err == nil || ctx.Err() != nil {
			discard(dir)
		}
		_ = os.Remove(g.Initramfs)
	}()
	if err := os.WriteFile(g.Initramfs, archive.CPIO, 0o644); err != nil {
		return 0, err
	}
	r.Report.Step("boot a shell (%s)", g.Accel)
	return vm.Shell(ctx, g, vm.Session{
		Args: args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Dir: dir, Boot: vm.DefaultLimits.Boot,
		Welcome: func() {
			r.Report.Step("run one test:  %s", oneTest(archive.Plan))
			r.Report.Step("\"exit\" and Ctrl-D end the shell; Ctrl-] ends the guest, even if it hangs")
		},
	})
}

// oneTest returns a command that runs one test of the plan in the folder in which the shell
// starts.
func oneTest(plan wire.Plan) string {
	if real := plan.In(wire.Real); len(real.Tests) > 0 {
		plan = real // the shell runs in the real lane
	}
	t := plan.Tests[0]
	binary := "." + strings.TrimPrefix(wire.TestBinary(t.Package), wire.TestDir)
	return fmt.Sprintf("%s -test.v -test.run '^%s$'", binary, t.Name)
}
