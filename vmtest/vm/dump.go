// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"sync/atomic"
	"time"
)

// Limits for the task dump of a hanging kernel. The dump is complete when,
// after its start, the console has been quiet for a while.
const (
	sysrqLimit = 3 * time.Second  // until the dump begins
	nmiLimit   = 10 * time.Second // until the dump begins; 2 s were seen with two looping CPUs on a busy host
	dumpQuiet  = time.Second
	dumpLimit  = 20 * time.Second
)

// answerLimit is how long QEMU's monitor may take to answer. The host may be
// busy with a guest whose CPUs all loop, and with others.
const answerLimit = 10 * time.Second

// dump makes a hanging kernel print what all its tasks do. It tries SysRq-T. Of a task that runs on
// another CPU than the one that prints, that shows only leftovers on its stack, so SysRq-L has each CPU
// print its own. If nothing is printed, because no CPU takes interrupts, dump sends an NMI, at which the
// kernel panics. A kernel that traces also prints its ring, by SysRq-Z or when it
// panics. It returns nothing: the console shows the result.
func (s supervisor) dump(printed *atomic.Int64) {
	before := printed.Load()
	s.sysrq("t", printed)
	if printed.Load() > before {
		s.sysrq("l", printed)
		if s.traced {
			s.sysrq("z", printed)
		}
		return
	}
	if s.monitor.command(`{"execute":"inject-nmi"}`) == nil {
		waitQuiet(printed, nmiLimit)
	}
}

// sysrq sends a key of the kernel's magic SysRq, and waits for what the kernel prints.
func (s supervisor) sysrq(key string, printed *atomic.Int64) {
	if s.monitor.command(`{"execute":"chardev-send-break","arguments":{"id":"console"}}`) == nil {
		if _, err := s.console.Write([]byte(key)); err == nil {
			waitQuiet(printed, sysrqLimit)
		}
	}
}

// waitQuiet returns when the console has grown and then been quiet for
// dumpQuiet, or when it has not grown within begin.
func waitQuiet(printed *atomic.Int64, begin time.Duration) {
	last, since, patience := printed.Load(), time.Now(), begin
	for end := time.Now().Add(dumpLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if now := printed.Load(); now != last {
			last, since, patience = now, time.Now(), dumpQuiet
		} else if time.Since(since) > patience {
			return
		}
	}
}
