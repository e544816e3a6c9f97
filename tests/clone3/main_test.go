// Package clone3 tests clone3(CLONE_NEWTIME), with and without offsets for the
// new time namespace.
//
// The offsets can be handed over in three ways. A test here says which offsets
// it wants and lets package design put them as the kernel takes them, so that
// one test holds for all three; what only one of them has is tested in the
// package named after it, beside this one.
//
// Every file of tests says at its top which kernel they are for: those of the
// offsets fail on a kernel without a series, and are meant to; those of
// newtime_test.go and size_test.go pass on any.
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

// secMax is the kernel's KTIME_SEC_MAX, the largest offset. A clock may come to
// half of it, maxClock.
const (
	secMax   = (1<<63 - 1) / int64(time.Second)
	maxClock = time.Duration(secMax/2) * time.Second
)

var namespaces = []struct {
	name    string
	offsets timens.Offsets
}{{"ahead", timens.Ahead}, {"behind", timens.Behind}, {"across", timens.Across}}

// outOfRange is what no clock can have, and the other clock's offset is good.
var outOfRange = []timens.Offsets{
	{Monotonic: -maxClock, Boottime: time.Second},
	{Monotonic: time.Second, Boottime: -maxClock},
}

// beUpFor waits until the clocks show so much that they can be set back by it.
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
