// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
)

// TracePatch is the word of Request.Trace that stands for the functions that the series
// changes. A word with a colon is an event, such as "timer:hrtimer_start" or "timer:*". Any other
// is a function, or a pattern for several.
const TracePatch = "patch"

// traced returns the archive for a guest that records what the request says. tree returns the
// tree of the kernel. A function or an event that the kernel does not have is a
// blame.UsageError.
func (r *runner) traced(ctx context.Context, a initramfs.Archive, image kernel.Image, tree func() (kernel.Tree, error)) (initramfs.Archive, error) {
	if len(r.Trace) == 0 {
		return a, nil
	}
	var t wire.Trace
	for _, word := range r.Trace {
		switch {
		case strings.Contains(word, ":"):
			t.Events = append(t.Events, word)
		case word != TracePatch:
			t.Functions = append(t.Functions, word)
		}
	}
	if err := debuginfo.CheckTrace(image.Debug(), t.Functions, t.Events); err != nil {
		return a, blame.Usagef("-trace %w", err)
	}
	if slices.Contains(r.Trace, TracePatch) {
		base, err := tree()
		if err != nil {
			return a, err
		}
		if t.Patched, err = patched(ctx, base, image); err != nil {
			return a, err
		}
		if len(t.Patched) == 0 {
			return a, blame.Usagef("-trace %s: the series changes no function of this kernel; name functions, such as -trace copy_time_ns", TracePatch)
		}
	}
	return a.Traced(t)
}
