// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/run"
)

// kernelVerb builds the kernel of one series and prints where it is.
func kernelVerb(ctx context.Context, a *app, _ []string) (int, error) {
	req, err := a.OneRequest(ctx)
	if err != nil {
		return 0, err
	}
	tree, err := req.Tree(ctx, a.Host)
	if err != nil {
		return 0, err
	}
	image, err := kernel.Build(ctx, a.Host, kernel.Spec{Tree: tree, Config: req.Config, Make: req.Make, Prebuilt: req.Prebuilt, Share: req.ShareKernel})
	if err != nil {
		return 0, err
	}
	run.Describe(a.progress, image)
	fmt.Println(image.Vmlinux)
	return 0, nil
}

// defaultDesign is that of an initramfs without a kernel.
const defaultDesign = "timens-offset"

// initramfsVerb builds the archive and prints its tests.
func initramfsVerb(ctx context.Context, a *app, _ []string) (int, error) {
	req, err := a.Request()
	if err != nil {
		return 0, err
	}
	if err := a.Planned([]run.Request{{Checkout: req.Checkout, Tests: req.Tests, Match: req.Match, Design: cmp.Or(a.Design, defaultDesign), Lanes: flags.Lanes[flags.Both]}}); err != nil {
		return 0, err
	}
	noKernel := kconfig.Config{} // and so none of the tests that are for some only
	archive, err := req.Archive(ctx, a.Host, cmp.Or(a.Design, defaultDesign), noKernel)
	if err != nil {
		return 0, err
	}
	for _, t := range archive.Plan.Tests {
		fmt.Println(t)
	}
	what := fmt.Sprintf("%d tests, %.1f MB, plan %s", len(archive.Plan.Tests), float64(len(archive.CPIO))/1e6, archive.Plan.ID)
	if a.out == "" {
		a.progress.Step("an initramfs has %s; -o FILE writes it", what)
		return 0, nil
	}
	if err := os.WriteFile(a.out, archive.CPIO, 0o644); err != nil {
		return 0, err
	}
	a.progress.Step("wrote %s: %s", a.out, what)
	return 0, nil
}

// shellVerb boots into a shell on this terminal, or runs one command.
func shellVerb(ctx context.Context, a *app, args []string) (int, error) {
	if n := len(os.Args) - len(args); len(args) > 0 && os.Args[n-1] != "--" {
		return 0, blame.Usagef("unexpected argument %q; to run it in the guest, type \"vmtest shell -- %s\"", args[0], strings.Join(args, " "))
	}
	req, err := a.OneRequest(ctx)
	if err != nil {
		return 0, err
	}
	return run.Shell(ctx, a.Host, req, args)
}

func outFlag(a *app, set *flag.FlagSet) {
	set.StringVar(&a.out, "o", "", "`FILE` to write the archive to (default: it is not written)")
}
