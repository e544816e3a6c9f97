// SPDX-License-Identifier: BSD-3-Clause

// The folder growth has two patches that go on top of the series: a third clock in the part
// of the time namespace, and a part for the user namespace. These tests are for programs
// that know both. They pass on a kernel of each kind:
//
//	bin/vmtest run -base 7.3 -series namespaces -run namespaces.TestGrown
//	bin/vmtest run -base 7.3 -series namespaces -patch tests/namespaces/growth/third-clock.patch \
//		-patch tests/namespaces/growth/user-part.patch -run namespaces.TestGrown

package namespaces

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// grown is struct clone_namespaces as both patches make it.
type grown struct {
	Mask                     uint64
	Monotonic, Boottime, TAI int64
	Reserved                 [4]uint64

	UserMask, MaxTimeNamespaces uint64
	UserReserved                [2]uint64
}

// The bits of the masks.
const (
	taiBit      = 4
	maxTimesBit = 1
)

// args returns the arguments of a child with these flags.
func (g grown) args(flags uint64) *clone.Args {
	args := design.NewTime()
	args.Flags = flags
	mem := clone.Bytes(g)
	args.Hold(mem, uint64(len(mem)))
	return args
}

// known reports whether the kernel knows everything that the structure says. It makes no
// child: what is known gives EINVAL without the flags of the namespaces, and what is
// unknown gives E2BIG.
func (g grown) known(t *testing.T) bool {
	t.Helper()
	child, err := clone.Start(g.args(0), clone.SizeVer3, timens.NewProgram(t))
	switch {
	case err == nil:
		timens.Reap(t, child)
		t.Fatal("clone3() without the flags of the namespaces made a child")
	case err != unix.EINVAL && err != unix.E2BIG:
		t.Fatalf("clone3() without the flags of the namespaces: %v, want %v or %v", err, unix.EINVAL, unix.E2BIG)
	}
	t.Logf("the kernel knows %+v: %v", g, err == unix.EINVAL)
	return err == unix.EINVAL
}

// Old programs go on to work on a grown kernel: the first version of the structure sets two
// clocks. New programs that say nothing new work on an old kernel.
func TestGrownOldPrograms(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	measure(t, design.Namespaces.Args(timens.Across), timens.Across)
	same := grown{Mask: design.MonotonicBit | design.BoottimeBit, Monotonic: int64(timens.Across.Monotonic), Boottime: int64(timens.Across.Boottime)}
	measure(t, same.args(unix.CLONE_NEWTIME), timens.Across)
}

// A third clock has the offset that the call gives, beside the other two. A kernel that does
// not know it refuses the call with E2BIG.
func TestGrownThirdClock(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	known(t)
	const ahead = 3*time.Hour + 7
	g := grown{Mask: taiBit | design.BoottimeBit, Boottime: int64(timens.Across.Boottime), TAI: int64(ahead)}
	args := g.args(unix.CLONE_NEWTIME)
	if !g.known(t) {
		design.Refuse(t, args, unix.E2BIG)
		return
	}
	for _, via := range clock.Vias {
		launch := design.PendingLaunch(t, timens.Ahead, args)
		got := timens.Measure(t, launch, via, clock.Monotonic, clock.Boottime, clock.TAI)
		for id, want := range map[clock.ID]time.Duration{
			clock.Monotonic: timens.Ahead.Monotonic, clock.Boottime: timens.Across.Boottime, clock.TAI: ahead,
		} {
			if !got[id].Contains(want) {
				t.Errorf("%v by %v is off by %v, want %v", id, via, got[id].Interval, want)
			}
		}
	}
	g.Mask &^= taiBit
	design.Refuse(t, g.args(unix.CLONE_NEWTIME), unix.EINVAL)
	g.Reserved[0] = 1
	design.Refuse(t, g.args(unix.CLONE_NEWTIME), unix.E2BIG)
}

// A part for the user namespace works alone: it needs no offsets and no CLONE_NEWTIME. A
// kernel that does not know it refuses the call with E2BIG.
func TestGrownUserPart(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	known(t)
	g := grown{UserMask: maxTimesBit, MaxTimeNamespaces: 0}
	args := g.args(unix.CLONE_NEWUSER)
	if !g.known(t) {
		design.Refuse(t, args, unix.E2BIG)
		return
	}
	for limit, want := range map[uint64]error{0: unix.ENOSPC, 1: nil} {
		g.MaxTimeNamespaces = limit
		p := timens.NewProgram(t)
		unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		timens.Run(t, design.Launch(g.args(unix.CLONE_NEWUSER)), p)
		if got := unshare.Err(); got != want {
			t.Errorf("unshare() with a limit of %d: %v, want %v", limit, got, want)
		}
	}
	g.MaxTimeNamespaces = math.MaxUint64
	design.Refuse(t, g.args(unix.CLONE_NEWUSER), unix.EINVAL)
	g.UserReserved[1] = 1
	design.Refuse(t, g.args(unix.CLONE_NEWUSER), unix.E2BIG)
}
