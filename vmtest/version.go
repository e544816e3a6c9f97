// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/vm"
)

// versionVerb prints what a report of a fault needs. A QEMU that is not there is a
// line, too.
func versionVerb(ctx context.Context, _ *app, _ []string) (int, error) {
	qemu, err := vm.Version(ctx)
	if err != nil {
		qemu = err.Error()
	}
	fmt.Printf("vmtest   %s\nGo       %s\nQEMU     %s\nschema   %d (of report.json)\n", revision(ctx), runtime.Version(), qemu, report.Schema)
	return 0, nil
}

// revision is the commit of this project that the program was built of: what the go
// command has noted in it, or else that of the checkout that it runs in.
func revision(ctx context.Context) string {
	commit, suffix := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				suffix = ", with changes that were not committed"
			}
		}
	}
	if commit == "" {
		root, err := moduleRoot()
		if err != nil {
			return "of an unknown revision"
		}
		if commit, err = sandbox.GitLine(ctx, root, "rev-parse", "HEAD"); err != nil {
			return "of an unknown revision"
		}
		suffix = ", by the checkout it runs in"
	}
	return fmt.Sprintf("%.12s%s", commit, suffix)
}
