// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"

	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/vmtest/vm"
)

// gdb returns what the user's gdb has to know of a kernel. tree returns the tree of the kernel.
func (r *runner) gdb(ctx context.Context, image kernel.Image, tree func() (kernel.Tree, error)) (vm.GDB, error) {
	g := vm.GDB{Symbols: image.Debug(), Say: func(commands string) {
		r.Report.Step("the guest waits for gdb; type in another terminal:  %s", shell.Quote("gdb", "-x", ShortPath(commands)))
	}, Warn: func(err error) { r.Report.Step("gdb can go forward only: %v", err) }}
	var err error
	if g.Scripts, err = r.gdbScripts(ctx, image, tree); err != nil || !r.BreakPatch {
		return g, err
	}
	t, err := tree()
	if err != nil {
		return g, err
	}
	g.Breaks, err = patched(ctx, t, image)
	if err == nil && len(g.Breaks) == 0 {
		r.Report.Step("-break-patch: the series changes no function of this kernel")
	}
	return g, err
}

// gdbScripts returns the path of the kernel's own scripts for gdb, or "" if it has none. An error is
// the end of ctx: gdb works without them.
func (r *runner) gdbScripts(ctx context.Context, image kernel.Image, tree func() (kernel.Tree, error)) (path string, err error) {
	t, err := tree()
	if err == nil {
		path, err = kernel.GDBScripts(ctx, r.Host, kernel.Spec{Tree: t, Config: r.Config, Make: r.Make, Prebuilt: r.Prebuilt, Coverage: r.Coverage}, image)
	}
	if err != nil && ctx.Err() == nil {
		r.Report.Step("gdb has none of the kernel's own scripts: %v", err)
	}
	return path, ctx.Err()
}

// patched returns the functions of a kernel that the series of its tree changes.
func patched(ctx context.Context, t kernel.Tree, image kernel.Image) ([]string, error) {
	files, err := t.Diff(ctx)
	if err != nil {
		return nil, err
	}
	changed := make(map[string]debuginfo.Lines)
	for _, f := range files {
		lines := debuginfo.Lines{Text: f.After}
		next := 1 // number of the line that comes next
		for _, l := range f.Lines {
			switch l.Op {
			case ' ':
				next = l.N + 1
			case '+':
				lines.Numbers, next = append(lines.Numbers, l.N), l.N+1
			default: // the line that has come in its place
				lines.Numbers = append(lines.Numbers, next)
			}
		}
		changed[f.Path] = lines
	}
	return debuginfo.Touched(image.Debug(), changed)
}
