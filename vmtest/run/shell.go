// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/internal/host"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/vm"
)

// Shell boots the kernel of a request into a shell on this terminal.
func Shell(ctx context.Context, h host.Host, req Request, in, out *os.File) error {
	if err := vm.Check(); err != nil {
		return err
	}
	r := &runner{Host: h, Request: req}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return err
	}
	tree, err := req.Tree(ctx, h)
	if err != nil {
		return err
	}
	if req, err = req.settle(ctx, h, func() (kernel.Tree, error) { return tree, nil }); err != nil {
		return err
	}
	spec := r.archiveSpec(req.Series.Design, r.Config)
	spec.Shell = true
	archive, err := buildArchive(ctx, h, spec)
	if err != nil {
		return err
	}
	image, err := kernel.Build(ctx, h, kernel.Spec{Tree: tree, Config: r.Config})
	if err != nil {
		return err
	}
	r.describe(image)
	tmp, err := os.MkdirTemp("", "vmtest-shell-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	g, err := guestOf(image)
	if err != nil {
		return err
	}
	g.Initramfs, g.Accel, g.QEMU = filepath.Join(tmp, "initramfs.cpio"), r.Accel, qemu
	if g.Accel == vm.Auto {
		g.Accel = vm.Known(g, r.knowsKVM())
	}
	if err := os.WriteFile(g.Initramfs, archive.CPIO, 0o644); err != nil {
		return err
	}
	r.Report.Step("boot a shell (%s); tests are in the folder it starts in; \"exit\" or Ctrl-] ends it", g.Accel)
	return vm.Shell(ctx, g, in, out)
}
