// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"slices"
	"strings"
	"testing"
)

const hungDump = `[    1.0] task:before          state:D stack:0     pid:9
[    1.0]  before+0x1/0x2
[    1.0]  </TASK>
[   52.5] sysrq: Show State
[   52.5] task:init            state:S stack:0     pid:1     tgid:1     ppid:0      flags:0x00000000
[   52.5] Call Trace:
[   52.5]  <TASK>
[   52.5]  __schedule+0x253/0x560
[   52.5]  do_wait+0x54/0xb0
[   52.5]  </TASK>
[   52.7] task:kworker/u10:1   state:R  running task     stack:0     pid:32
[   52.7] Call Trace:
[   52.7]  <TASK>
[   52.7]  __schedule+0x253/0x560
[   52.7]  schedule+0x1f/0x70
[   52.7]  worker_thread+0x1/0x2
[   52.7]  </TASK>
[   52.8] task:timens.test     state:R  running task     stack:0     pid:59
[   52.8] Call Trace:
[   52.8]  <IRQ>
[   52.8]  sched_show_task+0x10d/0x150
[   52.8]  </IRQ>
[   52.8]  <TASK>
[   52.8]  asm_common_interrupt+0x2b/0x40
[   52.8] RIP: 0010:mutex_lock+0x0/0x30
[   52.8] Code: c0 c3
[   52.8]  ? proc_timens_set_offset+0x12d/0x2f0
[   52.8]  timens_offsets_write+0x1c9/0x270
[   52.8]  vfs_write+0xb7/0x2b0
[   52.8]  ksys_write+0x63/0xe0
[   52.8] RIP: 0033:0x40ac0e
[   52.8]  </TASK>
[   52.9] task:a b             state:D stack:0     pid:65
[   52.9] Call Trace:
[   52.9]  <TASK>
[   52.9]  __schedule+0x253/0x560
[   52.9]  schedule_preempt_disabled+0x1/0x2
[   52.9]  __mutex_lock+0x1/0x2
[   52.9]  </TASK>
`

// onOtherCPU is of a task that runs on another CPU than the one that prints: its stack has only leftovers, until its CPU
// prints it.
const onOtherCPU = `[   52.4] sysrq: Show State
[   52.5] task:timens.test     state:R  running task     stack:0     pid:59    tgid:59    ppid:1      flags:0x00000002
[   52.5] Call Trace:
[   52.5]  <TASK>
[   52.5]  ? x64_sys_call+0x1816/0x1980
[   52.5]  entry_SYSCALL_64_after_hwframe+0x4b/0x53
[   52.5]  </TASK>
[   53.6] sysrq: Show backtrace of all active CPUs
[   53.6] NMI backtrace for cpu 1
[   53.6] CPU: 1 UID: 0 PID: 1 Comm: init Not tainted 6.12.117 #1
[   53.6] RIP: 0033:0x40ac0e
[   53.6] Sending NMI from CPU 1 to CPUs 0:
[   53.6] NMI backtrace for cpu 0
[   53.6] CPU: 0 UID: 0 PID: 59 Comm: timens.test Not tainted 6.12.117 #1
[   53.6] RIP: 0010:mutex_lock+0x0/0x30
[   53.6] Call Trace:
[   53.6]  <TASK>
[   53.6]  proc_timens_set_offset+0x12d/0x2f0
[   53.6]  timens_offsets_write+0x1c9/0x270
[   53.6]  </TASK>
`

func TestStuckTasks(t *testing.T) {
	at := int64(strings.Index(hungDump, "[   52.5] sysrq"))
	decoded := strings.Replace(hungDump, "0x12d/0x2f0", "0x12d/0x2f0 (kernel/time/namespace.c:435, inlined at kernel/time/namespace.c:500)", 1)
	runs := "the task timens.test runs in mutex_lock, ? proc_timens_set_offset, timens_offsets_write, vfs_write, ksys_write"
	waits := "the task a b cannot be woken in __mutex_lock"
	named := strings.Replace(runs, "set_offset", "set_offset (kernel/time/namespace.c:435)", 1)
	for name, c := range map[string]struct {
		decoded string
		at      int64
		want    []string
	}{
		"decoded":     {decoded, at, []string{named, waits}},
		"not decoded": {"", at, []string{runs, waits}},
		"cut off":     {decoded[:200], at, []string{runs, waits}},
		"no dump":     {decoded, 0, nil},
		"no such":     {decoded, int64(len(hungDump) + 1), nil},
	} {
		if got := stuckTasks([]byte(hungDump), []byte(c.decoded), c.at); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	const precise = "the task timens.test runs in mutex_lock, proc_timens_set_offset, timens_offsets_write"
	if got := stuckTasks([]byte("\n"+onOtherCPU), nil, 1); !slices.Equal(got, []string{precise}) {
		t.Errorf("on another CPU: %q, want %q", got, precise)
	}
	many := strings.Repeat(hungDump[strings.Index(hungDump, "[   52.9] task:a b"):], 5)
	if got := stuckTasks([]byte("\n"+many), nil, 1); len(got) != mostStuck {
		t.Errorf("of 5 tasks %d are shown, want %d", len(got), mostStuck)
	}
}

// A dump begins at its byte, each task ends where the next begins, and at most three are told.
func TestStuckTasksOfDump(t *testing.T) {
	task := func(name, state, trace string) string {
		return "task:" + name + " state:" + state + " stack:0 pid:1\n" + trace
	}
	for name, tc := range map[string]struct {
		before, dump string
		want         []string
	}{
		"the line before":   {"task:old state:D stack:0 pid:1\n", " f+0x1/0x2\n" + task("new", "D", " g+0x1/0x2\n"), []string{"the task new cannot be woken in g"}},
		"the first line":    {"x\n", task("new", "D", " g+0x1/0x2\n </TASK>\n"), []string{"the task new cannot be woken in g"}},
		"no frames":         {"", task("a", "D", " </TASK>\n") + task("b", "R", "") + task("c", "D", " g+0x1/0x2\n"), []string{"the task c cannot be woken in g"}},
		"behind the task":   {"", task("a", "D", " g+0x1/0x2\n </TASK>\n f+0x1/0x2\n"), []string{"the task a cannot be woken in g"}},
		"interrupts":        {"", task("a", "R", " <NMI>\n n+0x1/0x2\n </NMI>\n <IRQ>\n i+0x1/0x2\n </IRQ>\n g+0x1/0x2\n"), []string{"the task a runs in g"}},
		"an NMI last":       {"", task("a", "R", " <IRQ>\n i+0x1/0x2\n </IRQ>\n <NMI>\n n+0x1/0x2\n </NMI>\n g+0x1/0x2\n"), []string{"the task a runs in g"}},
		"schedules further": {"", task("a", "R", " g+0x1/0x2\n schedule+0x1/0x2\n"), []string{"the task a runs in g"}},
		"waits":             {"", task("a", "R", " schedule+0x1/0x2\n g+0x1/0x2\n"), nil},
		"waits, and is cut": {"", task("a", "D", " schedule+0x1/0x2\n g+0x1/0x2"), []string{"the task a cannot be woken in g"}},
		"many": {"", strings.Repeat(task("a", "D", " g+0x1/0x2\n"), 4), []string{
			"the task a cannot be woken in g", "the task a cannot be woken in g", "the task a cannot be woken in g",
		}},
	} {
		console := []byte("boot\n" + tc.before + tc.dump)
		if got := stuckTasks(console, nil, int64(len("boot\n"+tc.before))); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
