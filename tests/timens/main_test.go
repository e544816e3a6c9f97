// SPDX-License-Identifier: BSD-3-Clause

// Package timens tests time namespaces as they are without any patch: made by
// unshare(), set by /proc/PID/timens_offsets, and entered by fork(), execve()
// or setns(). All of its tests pass on an unpatched kernel, except TestGap....
package timens

import (
	"testing"

	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{
		"clocks":      probe.Func(timens.ReadClocks),
		"uring":       probe.Func(waitOnUring),
		"timer_list":  probe.Func(readTimerList),
		"use":         probe.Func(useMany),
		"place":       probe.Func(look),
		"grandchild":  probe.Func(lookFromChild),
		"exec":        probe.Func(execInThread(true)),
		"exec-other":  probe.Func(execInThread(false)),
		"reports":     probe.Func(readReports),
		"waits":       probe.Func(runWaits),
		"timers":      probe.Func(runTimers),
		"ticks":       probe.Func(countTicks),
		"interrupted": probe.Func(interruptSleeps),
		"go-sleep":    probe.Func(goSleep),
	})
}
