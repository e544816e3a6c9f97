// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"regexp"
	"slices"
	"strings"
)

// fully are the objects that have all debug information, as patterns of make: the subject of this
// project, and what debuggers read of any kernel, such as its tasks, timers, caches and messages.
var fully = []string{
	"init/%.o", "kernel/time/%.o", "kernel/futex/%.o", "arch/x86/entry/vdso/%.o",
	"kernel/fork.o", "kernel/exit.o", "kernel/nsproxy.o", "kernel/nscommon.o", "kernel/nstree.o", "kernel/pid.o", "kernel/pid_namespace.o",
	"kernel/user_namespace.o", "kernel/ucount.o", "kernel/cred.o", "kernel/signal.o", "kernel/sys.o", "kernel/cgroup/cgroup.o",
	"kernel/sched/core.o", "kernel/printk/printk.o", "kernel/irq/irqdesc.o", "kernel/panic.o", "kernel/kallsyms.o",
	"kernel/cpu.o", "kernel/workqueue.o", "arch/x86/kernel/process.o", "arch/x86/kernel/setup_percpu.o", "arch/x86/kernel/cpu/common.o",
	"mm/slub.o", "mm/slab_common.o", "mm/vmalloc.o", "mm/page_alloc.o", "mm/percpu.o", "fs/super.o", "net/core/net_namespace.o",
	"fs/proc/base.o", "fs/proc/array.o", "fs/proc/uptime.o", "fs/proc/stat.o", "fs/proc/namespaces.o",
	"fs/namespace.o", "fs/nsfs.o", "fs/pidfs.o", "fs/timerfd.o", "fs/exec.o", "io_uring/timeout.o",
}

// DebugArgs returns arguments of make with which most objects have only as much debug information
// as call traces need: functions, inlined ones too, and lines. That takes a fifth of the
// compiler's time less. All types and variables are kept for these sources, and for the objects
// that debuggers need. A configuration without debug information stays without. If the user sets
// CFLAGS_KERNEL, or a flag such as -g in KCFLAGS, that decides, and there are no arguments.
//
// Makefile.lib reads CFLAGS_KERNEL for each object, whose name is then $@. A source whose name means
// something to make is left out.
func (m MakeVars) DebugArgs(sources []string) []string {
	level := func(flag string) bool { return strings.HasPrefix(flag, "-g") }
	if m.value("CFLAGS_KERNEL") != "" || slices.ContainsFunc(strings.Fields(m.value("KCFLAGS")), level) {
		return nil
	}
	objects := slices.Clone(fully)
	for _, source := range sources {
		if plainName.MatchString(source) {
			objects = append(objects, strings.TrimSuffix(source, ".c")+".o")
		}
	}
	return []string{"CFLAGS_KERNEL=$(if $(CONFIG_DEBUG_INFO),$(if $(filter " + strings.Join(objects, " ") + ",$@),,-g1))"}
}

var plainName = regexp.MustCompile(`^[\w./+-]+$`)
