// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// vmcore returns what a guest with this kernel leaves if it dies. tree returns the tree of the kernel.
func (r *runner) vmcore(ctx context.Context, image kernel.Image, tree func() (kernel.Tree, error)) (v vm.Vmcore, err error) {
	if r.Vmcore == "" {
		return vm.Vmcore{}, nil
	}
	v.Format = r.Vmcore
	if v.UTS, v.Info, err = debuginfo.Vmcoreinfo(image.Vmlinux, image.Release, image.BuildID); err != nil {
		return v, err
	}
	tool := []string{"gdb"}
	if v.Format == vm.ELF {
		scripts, err := r.gdbScripts(ctx, image, tree)
		if err != nil {
			return v, err
		}
		if scripts != "" {
			tool = append(tool, "-ex", "source "+scripts)
		}
	} else if tool, err = crash(image); err != nil {
		return v, err
	}
	v.Say = func(path string, err error) {
		if err != nil {
			r.Report.Step("the guest leaves no vmcore: %v", err)
			return
		}
		r.sayVmcore(path, image.Debug(), tool)
	}
	return v, nil
}

// crash returns how crash is started for a kernel. Without the option it refuses a kernel with
// SLUB_TINY, whose allocator it does not know.
func crash(image kernel.Image) ([]string, error) {
	tiny, err := image.Tiny()
	if tiny {
		return []string{"crash", "--no_kmem_cache"}, err
	}
	return []string{"crash"}, err
}

// sayVmcore says what to type to open a vmcore. tool is how a tool for its format is started.
func (r *runner) sayVmcore(path, vmlinux string, tool []string) {
	size := "its size is unknown"
	if info, err := os.Stat(path); err == nil {
		size = fmt.Sprintf("%d MB", (info.Size()+1<<20-1)>>20)
	}
	path = ShortPath(path)
	r.Report.Step("the memory of the guest is in %s (%s); type:  %s", path, size, shell.Quote(slices.Concat(tool, []string{vmlinux, path})...))
	r.Report.Step("or:  %s", shell.Quote("drgn", "-c", path, "-s", vmlinux))
	if r.Vmcore == vm.ELF {
		return
	}
	switch version, ok := crashVersion(); {
	case !ok:
		r.Report.Step("crash does not run here; type \"sudo apt-get install crash\"")
	case kbuild.Older(version, leastCrash):
		r.Report.Step("the crash on PATH is older than " + leastCrash + ", which Debian 13 has: it reads the log, and not the tasks of Linux 6.12")
	}
}

// leastCrash is the version of crash that reads the tasks of Linux 6.12.
const leastCrash = "8.0.6"

var crashRE = regexp.MustCompile(`(?m)^crash (\d+\.\d+\.\d+)`)

// crashVersion returns the version of the crash on PATH; "" if it says none, and ok is false if there
// is no crash.
func crashVersion() (version string, ok bool) {
	out, err := exec.Command("crash", "--version").Output()
	if err != nil {
		return "", false
	}
	if m := crashRE.FindSubmatch(out); m != nil {
		version = string(m[1])
	}
	return version, true
}

// hasVmcore reports whether a guest has left its memory in a folder.
func hasVmcore(dir string) bool { return verdict.Exists(filepath.Join(dir, wire.VmcoreFile)) }

// discard removes the folder of a session that nobody needs, but not a vmcore.
func discard(dir string) {
	if !hasVmcore(dir) {
		_ = os.RemoveAll(dir) // files that stay only take space
	}
}
