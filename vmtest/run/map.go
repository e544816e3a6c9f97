// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/coverage"
	"timens-vmtest/vmtest/order"
	"timens-vmtest/vmtest/verdict"
)

// mapped are patterns of the sources whose functions a map has: what the tests are about,
// and what lies between a system call and that.
var mapped = []string{
	"arch/x86/entry/vdso/vma.c",
	"fs/eventpoll.c", "fs/exec.c", "fs/fhandle.c", "fs/nsfs.c", "fs/pidfs.c", "fs/proc/*.c", "fs/select.c", "fs/timerfd.c",
	"io_uring/io_uring.c", "io_uring/timeout.c", "io_uring/wait.c", "ipc/*.c",
	"kernel/cgroup/namespace.c", "kernel/exit.c", "kernel/fork.c", "kernel/futex/*.c", "kernel/ns*.c", "kernel/pid*.c", "kernel/ptrace.c",
	"kernel/signal.c", "kernel/sys.c", "kernel/time/*.c", "kernel/ucount.c", "kernel/user_namespace.c", "kernel/utsname.c",
	"net/core/net_namespace.c", "net/unix/af_unix.c",
}

// Map runs the tests of a request in the empty folder dir, on a kernel that counts, and keeps
// in the cache which functions each of them reaches. The request needs the fragment coverage
// and the lane virtual, which runs the tests for 32 bits, too. Tests that were not as
// expected are left out.
func Map(ctx context.Context, h host.Host, req Request, dir string) (order.Map, string, verdict.Result, error) {
	base, err := req.Base.Fetch(ctx, h)
	if err != nil {
		return order.Map{}, "", verdict.Result{}, err
	}
	for _, pattern := range mapped {
		found, err := fs.Glob(os.DirFS(base.Dir), pattern)
		if err != nil {
			return order.Map{}, "", verdict.Result{}, err
		}
		req.Profile = append(req.Profile, found...)
	}
	r := &runner{Host: h, Request: req, dir: dir}
	result, err := r.judge(ctx)
	if err != nil || r.made == nil || ctx.Err() != nil {
		return order.Map{}, "", result, err
	}
	reached := make(map[string][]string)
	ran := 0
	for _, l := range result.Lanes {
		ran += len(l.Tests)
	}
	h.Report.Step("read which functions the tests reach")
	for _, boot := range bootsIn(filepath.Join(dir, wire.Virtual)) {
		read := func(test string) { h.Report.Count("tests", len(reached), ran, test) }
		if err := coverage.Reached(ctx, h, r.made.image, boot, reached, read); err != nil {
			return order.Map{}, "", result, err
		}
	}
	for _, l := range result.Lanes {
		for _, t := range l.Tests {
			if !t.AsExpected() || t.Status == verdict.Skip {
				delete(reached, t.TestID.String())
			}
		}
	}
	m := order.NewMap(r.made.tree.Base.Version, r.Series.Name, reached)
	path := r.mapFile(m.Base, m.Series)
	return m, path, result, cache.WriteJSON(path, m)
}

// mapFile returns where the cache keeps the map of a base and a series.
func (r *runner) mapFile(base, series string) string {
	return filepath.Join(r.Cache.Dir, "map", filepath.Base(base+"-"+series+".json"))
}

// knownMap returns the map of a tree: that of its base and series, or that of its base and
// control, or the one that this project has. Functions have the same names in most kernels.
func (r *runner) knownMap(t kernel.Tree) (order.Map, error) {
	for _, series := range slices.Compact([]string{t.Series.Name, controlSeries}) {
		var m order.Map
		path := r.mapFile(t.Base.Version, series)
		err := readKept(path, &m)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = m.Check()
		}
		if err != nil {
			return order.Map{}, fmt.Errorf("%w; remove %s, or record the map again: vmtest map", err, path)
		}
		return m, nil
	}
	return order.Map{}, nil
}
