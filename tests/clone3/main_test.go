// SPDX-License-Identifier: BSD-3-Clause

// Package clone3 tests clone3(CLONE_NEWTIME), with and without offsets for the
// new time namespace.
//
// There are three designs of how clone3() takes offsets. A test states the
// offsets that it wants, and package design encodes them for the kernel under
// test, so one test covers all three designs. What only one design has is
// tested in the package with the design's name, next to this one.
//
// Each file says at its top which kernels its tests are for. Tests of offsets
// have to fail on a kernel without a series.
package clone3

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{
		"clocks":  probe.Func(timens.ReadClocks),
		"nested":  probe.Func(design.ReadNested),
		"await":   probe.Func(awaitTimers),
		"restore": probe.Func(restoreInside),
	})
}

const (
	offsetsFile = "/proc/self/timens_offsets"
	current     = "/proc/self/ns/time"
	children    = "/proc/self/ns/time_for_children"
)

// secMax is the kernel's KTIME_SEC_MAX, the largest offset. A clock may be set
// to at most half of it, maxClock.
const (
	secMax   = (1<<63 - 1) / int64(time.Second)
	maxClock = time.Duration(secMax/2) * time.Second
)

var namespaces = []struct {
	name    string
	offsets timens.Offsets
}{{"ahead", timens.Ahead}, {"behind", timens.Behind}, {"across", timens.Across}}

// outOfRange has pairs of offsets. One of a pair sets its clock out of range, and
// the other is valid.
var outOfRange = []timens.Offsets{
	{Monotonic: -maxClock, Boottime: time.Second},
	{Monotonic: time.Second, Boottime: -maxClock},
}

// beUpFor waits until the initial clocks show at least d, so that they can be
// set back by it.
func beUpFor(t *testing.T, d time.Duration) {
	t.Helper()
	time.Sleep(d - timens.Now(t, clock.Monotonic))
}

// pendingOffsets returns the offsets file of the calling thread.
func pendingOffsets(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(timens.OffsetsFile(unix.Gettid()))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// threadLink resolves a link of the calling thread below /proc.
func threadLink(t *testing.T, name string) string {
	t.Helper()
	link, err := os.Readlink("/proc/thread-self/ns/" + name)
	if err != nil {
		t.Error(err)
	}
	return link
}
