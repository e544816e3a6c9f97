// Package timens tests time namespaces as they are without any patch: made by
// unshare(), set by /proc/PID/timens_offsets, entered by fork(), execve() or
// setns(). All of it passes on an unpatched kernel.
package timens

import (
	"testing"
	"time"

	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{
		"clocks":     probe.Func(timens.ReadClocks),
		"uring":      probe.Func(waitOnUring),
		"timer_list": probe.Func(readTimerList),
		"use":        probe.Func(useMany),
		"place":      probe.Func(look),
		"grandchild": probe.Func(lookFromChild),
		"exec":       probe.Func(execInThread(true)),
		"exec-other": probe.Func(execInThread(false)),
		"reports":    probe.Func(readReports),
		"sleep":      probe.Func(sleep),
		"timers":     probe.Func(runTimers),
		"futex":      probe.Func(waitOnFutex),
	})
}

// The two clocks never share an offset and never have a whole number of
// seconds, or a mix-up of clocks or a lost nanosecond part would go unseen. A
// clock cannot go below zero and a guest has been up for little more than a
// second, so the negative ones are small.
var namespaces = []struct {
	name    string
	offsets timens.Offsets
}{
	{"ahead", timens.Offsets{Monotonic: 24*time.Hour + 123456789, Boottime: 48*time.Hour + 987654321}},
	{"behind", timens.Offsets{Monotonic: -500000001, Boottime: -300000007}},
	{"across", timens.Offsets{Monotonic: -400000003, Boottime: 1000*24*time.Hour + 1}},
}
