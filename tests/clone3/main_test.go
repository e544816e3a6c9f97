// Package clone3 tests clone3(CLONE_NEWTIME), with and without the offsets that
// the series timens-offset adds to struct clone_args.
//
// Every file of tests says at its top which kernel they are for: those of the
// offsets fail on a kernel without the series, and are meant to; those of
// newtime_test.go and size_test.go pass on any.
package clone3

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{
		"clocks": probe.Func(timens.ReadClocks),
		"nested": probe.Func(readNested),
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

// bothClocks can have an offset.
var bothClocks = []clock.ID{clock.Monotonic, clock.Boottime}

// The clocks of a namespace never share an offset and never have a whole number
// of seconds. A guest has been up for little more than a second, so that the
// negative ones are small.
var (
	ahead  = timens.Offsets{Monotonic: 24*time.Hour + 123456789, Boottime: 48*time.Hour + 987654321}
	behind = timens.Offsets{Monotonic: -500000001, Boottime: -300000007}
	across = timens.Offsets{Monotonic: -400000003, Boottime: 1000*24*time.Hour + 1}
)

var namespaces = []struct {
	name    string
	offsets timens.Offsets
}{{"ahead", ahead}, {"behind", behind}, {"across", across}}

// needSeries skips on a developer's own kernel without the series, where the
// failure would tell nothing. In a guest the kernel is what is being tested.
func needSeries(t *testing.T) {
	t.Helper()
	timens.Need(t)
	if inGuest() {
		return
	}
	p := timens.NewProgram(t)
	list := elements(ahead)
	_, err := clone.Start(&clone.Args{TimensOffset: &list[0], TimensOffsetSize: 2}, clone.SizeVer3, p)
	if err == unix.E2BIG {
		t.Skip("this kernel's clone3 does not know timens_offset; `make vmtest` runs the test on one that does")
	}
}

// inGuest reports whether this is the binary that the guest's init runs, which
// is in wire.TestDir.
func inGuest() bool {
	exe, err := os.Executable()
	return err == nil && filepath.Dir(exe) == "/tests"
}

// element is the offset of one clock as clone3() takes it.
func element(id clock.ID, offset time.Duration) clone.TimensOffset {
	sec, nsec := timens.Split(offset)
	return clone.TimensOffset{Clock: int32(id), Sec: sec, Nsec: nsec}
}

func elements(o timens.Offsets) []clone.TimensOffset {
	return []clone.TimensOffset{element(clock.Monotonic, o.Monotonic), element(clock.Boottime, o.Boottime)}
}

// newTime are the arguments of a plain child in a new time namespace; with a
// list of offsets they are the series'.
func newTime(list ...clone.TimensOffset) *clone.Args {
	args := &clone.Args{Flags: unix.CLONE_NEWTIME, ExitSignal: uint64(unix.SIGCHLD)}
	if len(list) > 0 {
		args.TimensOffset, args.TimensOffsetSize = &list[0], uint64(len(list))
	}
	return args
}

// launch makes clone3() with args a launcher.
func launch(args *clone.Args) clone.Launcher {
	return func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, clone.SizeVer3, p) }
}

// pendingLaunch is launch on a thread whose children would go into a namespace
// with other offsets.
func pendingLaunch(t *testing.T, pending timens.Offsets, args *clone.Args) clone.Launcher {
	t.Helper()
	return func(p *clone.Program) (child *clone.Child, err error) {
		withPending(t, pending, func() { child, err = launch(args)(p) })
		return child, err
	}
}

// refuse checks that clone3() fails and how.
func refuse(t *testing.T, args *clone.Args, size uintptr, want unix.Errno) {
	t.Helper()
	p := timens.NewProgram(t)
	child, err := clone.Start(args, size, p)
	if err != want {
		t.Errorf("clone3: %v, want %v", err, want)
	}
	if err == nil {
		timens.Reap(t, child)
	}
}

// checkShifts compares measured offsets with those that should have been set.
func checkShifts(t *testing.T, got map[clock.ID]timens.Interval, want timens.Offsets) {
	t.Helper()
	for _, id := range bothClocks {
		if want := want.Of(id); !got[id].Contains(want) {
			t.Errorf("%v is off by %v, want %v", id, got[id], want)
		}
	}
}

// withPending calls fn on a thread whose children are to go into a namespace
// that it has unshared and given offsets to.
func withPending(t *testing.T, pending timens.Offsets, fn func()) {
	t.Helper()
	err := osthread.Run(func() error {
		if err := timens.Unshare(pending); err != nil {
			return err
		}
		fn()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
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
