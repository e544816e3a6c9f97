// SPDX-License-Identifier: BSD-3-Clause

// Package cost measures what calls cost that make processes. It is no part of the usual plan: what a
// kernel costs says nothing of whether it is right. "make bench BENCH=Calls" compares the kernels of
// the series by it.
package cost

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// rounds is how often a call is made. The first warmUp calls are not counted: they fill caches of the kernel.
const (
	rounds = 100
	warmUp = 10
)

// TestCalls logs a line "cost: NAME NANOSECONDS" for each way to make a child that ends at once, with
// the wait for it. In the lane virtual, the time counts instructions.
func TestCalls(t *testing.T) {
	timens.Need(t)
	plain := &clone.Args{ExitSignal: uint64(unix.SIGCHLD)}
	measure(t, "fork", func(p, child *clone.Program) clone.Ended { return p.Wait(p.OldFork(child)) })
	measure(t, "clone3", func(p, child *clone.Program) clone.Ended { return p.Wait(p.Fork(plain, clone.SizeVer2, child)) })
	measure(t, "new-time", func(p, child *clone.Program) clone.Ended {
		return p.Wait(p.Fork(design.NewTime(), clone.SizeVer2, child))
	})
	measure(t, "by-file", func(p, child *clone.Program) clone.Ended {
		p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		p.WriteFile("/proc/self/timens_offsets", timens.Ahead.String())
		return p.Wait(p.OldFork(child))
	})
	if d := design.Need(t); d != design.None {
		measure(t, "offsets", func(p, child *clone.Program) clone.Ended {
			return p.Wait(p.Fork(d.Args(timens.Ahead), clone.SizeVer3, child))
		})
	}
}

// measure runs rounds of steps in a process that has nearly no memory, and logs what the cheapest costs:
// ticks of the timer and work that the kernel has put off fall into the others. Every round has to make a
// child that ends well.
func measure(t *testing.T, name string, add func(p, child *clone.Program) clone.Ended) {
	t.Helper()
	p := timens.NewProgram(t)
	p.Slim()
	child := p.Sub()
	child.Exit(0)
	var ended []clone.Ended
	now := []clone.Reading{p.ClockGettime(clock.MonotonicRaw, clock.Syscall)}
	for range warmUp + rounds {
		ended = append(ended, add(p, child))
		now = append(now, p.ClockGettime(clock.MonotonicRaw, clock.Syscall))
	}
	timens.RunMany(t, timens.Fork, p)
	var costs []time.Duration
	for i, e := range ended {
		if status, err := e.Status(); err != nil || status != 0 {
			t.Fatalf("%s, round %d: wait status %#x, %v", name, i, int(status), err)
		}
		costs = append(costs, timens.Time(t, now[i+1])-timens.Time(t, now[i]))
	}
	costs = costs[warmUp:]
	slices.Sort(costs)
	if costs[0] <= 0 {
		t.Fatalf("%s took %v", name, costs[0])
	}
	t.Logf("cost: %s %d", name, costs[0]/time.Nanosecond)
}
