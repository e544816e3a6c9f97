// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"strings"
	"testing"
)

// Each line is one that a kernel prints when something is wrong, and has one sign. Without that
// sign the judge would not see it.
func TestSigns(t *testing.T) {
	for _, line := range []string{
		"Kernel panic - not syncing: Fatal exception",
		"BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"kernel BUG at kernel/fork.c:1!",
		"WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 f+0x1/0x2",
		"------------[ cut here ]------------",
		"Oops: 0002 [#1] PREEMPT SMP", "Oops[#1]:",
		"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
		"double fault: 0000 [#1] SMP", "invalid opcode: 0000 [#1] SMP", "divide error: 0000 [#1] SMP", "stack segment: 0000 [#1] SMP",
		"unable to handle page fault for address: ffff888000000000", "Unable to handle kernel paging request at virtual address dead",
		"traps: PANIC: double fault, error_code: 0x0",
		"UBSAN: array-index-out-of-bounds in kernel/fork.c:1:2", "KASAN: maybe wild-memory-access in range [0x0-0x7]", "KCSAN: data-race in f / g",
		"KFENCE: use-after-free read in f+0x1/0x2", "KMSAN: uninit-value in f+0x1/0x2",
		"refcount_t: underflow; use-after-free.",
		"INFO: possible recursive locking detected", "INFO: possible circular locking dependency detected",
		"INFO: trying to register non-static key.", "INFO: inconsistent lock state", "INFO: suspicious RCU usage",
		"possible irq lock inversion dependency detected", "HARDIRQ-safe -> HARDIRQ", "SOFTIRQ-unsafe lock order detected",
		"INFO: task cat:1 blocked for more than 120 seconds.",
		"INFO: rcu_preempt stalls", "rcu_preempt detected stalls on CPUs/tasks:", "rcu_preempt self-detected stall on CPU", "rcu_preempt detected expedited stalls",
		"watchdog: soft lockup - CPU#0 stuck for 26s!", "watchdog: hard LOCKUP on cpu 0",
		"scheduling while atomic: cat/1/0x00000002", "sleeping function called from invalid context at kernel/fork.c:1",
		"kmemleak: 1 suspicious memory leak", "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
		"Out of memory: Killed process 1 (cat)", "oom-kill:constraint=CONSTRAINT_NONE", "cat: page allocation failure: order:0",
		"bad: scheduling from the idle thread!", "Bad page state in process cat  pfn:1", "list_add corruption. next->prev should be prev", "list_del corruption, dead->next is LIST_POISON1",
		"vvar_page accessed remotely", "irq 4: nobody cared (try booting with the \"irqpoll\" option)",
		"clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable", "tsc: Marking TSC unstable due to clocksource watchdog",
	} {
		if !isSplat(line) {
			t.Errorf("%q is no splat", line)
		}
		n := 0
		for _, s := range signs {
			n += strings.Count(line, s)
		}
		if n != 1 {
			t.Errorf("%q has %d signs, want one", line, n)
		}
	}
	for _, line := range []string{"Linux version 6.12.117", "clocksource: Switched to clocksource tsc", "rcu: Preemptible hierarchical RCU implementation.", "printk: debugging", ""} {
		if isSplat(line) {
			t.Errorf("%q is a splat", line)
		}
	}
}

// A splat ends where its call trace does, or at the next test.
func TestExtent(t *testing.T) {
	const end, start = "[    1.2] ---[ end trace 0 ]---\n", "[    1.4] vmtest: start p.TestA\n"
	more := func(n int) string { return strings.Repeat("[    1.2] more\n", n) }
	for name, tc := range map[string]struct {
		console string
		text    string
		quoted  int
	}{
		"cut here alone":          {"[    1.2] ------------[ cut here ]------------\n" + start, "------------[ cut here ]------------", 1},
		"ends with the trace":     {"[    1.2] BUG: x\n" + more(3) + end + start, "BUG: x", 5},
		"the longest trace":       {"[    1.2] BUG: x\n" + more(traceLines-2) + end, "BUG: x", traceLines},
		"a longer trace":          {"[    1.2] BUG: x\n" + more(traceLines-1) + end, "BUG: x", splatLines},
		"begins and ends at once": {"[    1.2] ---[ end Kernel panic - not syncing: x ]---\n" + more(3), "---[ end Kernel panic - not syncing: x ]---", 1},
	} {
		e := greenRun()
		console(tc.console)(&e)
		if s := Judge(e).Lanes[0].Splats[0]; s.Text != tc.text || len(s.More) != tc.quoted {
			t.Errorf("%s: got %q with %d lines, want %q with %d", name, s.Text, len(s.More), tc.text, tc.quoted)
		}
	}
}
