// SPDX-License-Identifier: BSD-3-Clause

// TestOffsetsWithLaterFlags needs a series with offsets. The other tests in this file
// pass on kernels with and without a series.

package clone3

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// later are flags of clone3() that Linux 6.12 does not have, and what they do to a child
// that is at its pause.
type later struct {
	name  string
	flags uint64
	// signal is the child's exit signal.
	signal unix.Signal
	check  func(*laterChild, *testing.T)
}

var (
	reapsItself  = later{"CLONE_AUTOREAP", bits.Autoreap, 0, (*laterChild).checkAutoreap}
	noPrivileges = later{"CLONE_NNP", bits.NNP, unix.SIGCHLD, (*laterChild).checkNNP}
	endsWithFD   = later{"CLONE_PIDFD_AUTOKILL", bits.PidfdAutokill | bits.Autoreap, 0, (*laterChild).checkAutokill}
	withoutFiles = later{"CLONE_EMPTY_MNTNS", bits.EmptyMntns, unix.SIGCHLD, (*laterChild).checkEmptyMntns}
)

// add gives the arguments of a call these flags, and a pidfd.
func (l later) add(args *clone.Args, fd *int32) *clone.Args {
	args.Flags |= l.flags | unix.CLONE_PIDFD
	args.ExitSignal, args.Pidfd = uint64(l.signal), fd
	return args
}

// need skips a test on a kernel whose headers do not define the flags. Such a kernel has
// to refuse each of them.
func (l later) need(t *testing.T) {
	t.Helper()
	timens.Need(t)
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	lacks := l.flags &^ defined
	if lacks == 0 {
		return
	}
	args := late()
	args.Flags |= lacks
	args.ExitSignal = uint64(l.signal)
	design.RefuseSize(t, args, clone.SizeVer2, unix.EINVAL)
	t.Skipf("clone3() with the flags %#x: %v: this kernel's headers do not define them", lacks, unix.EINVAL)
}

// laterChild is a child at its pause, and what it saw before.
type laterChild struct {
	*clone.Child
	fd   int32 // its pidfd
	file clone.Result
	nnp  clone.Result
}

// start starts a child in a new time namespace. Its offsets must be those.
func (l later) start(t *testing.T, launch func(*clone.Args) clone.Launcher, args *clone.Args, want timens.Offsets) *laterChild {
	t.Helper()
	c := new(laterChild)
	p := timens.NewProgram(t)
	c.file = p.Open("/proc/self/ns/time", unix.O_RDONLY)
	c.nnp = p.Syscall(unix.SYS_PRCTL, unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	readings := make(map[clock.Via]map[clock.ID]clone.Reading)
	for _, via := range clock.Vias {
		readings[via] = make(map[clock.ID]clone.Reading)
		for _, id := range timens.Clocks {
			readings[via][id] = p.ClockGettime(id, via)
		}
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	before := initialClocks(t)
	child, err := launch(l.add(args, &c.fd))(p)
	if err != nil {
		t.Fatalf("clone3 with %s: %v", l.name, err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	after := initialClocks(t)
	for _, via := range clock.Vias {
		for _, id := range timens.Clocks {
			now := timens.Time(t, readings[via][id])
			if shift := (timens.Interval{Low: now - after.Of(id), High: now - before.Of(id)}); !shift.Contains(want.Of(id)) {
				t.Errorf("%s: %v by %v is off by %v, want %v", l.name, id, via, shift, want.Of(id))
			}
		}
	}
	if got := processLink(t, child.PID, "time"); got == threadLink(t, "time") {
		t.Errorf("%s: the child is in its parent's time namespace %s", l.name, got)
	}
	c.Child = child
	return c
}

// testLater starts a child with CLONE_NEWTIME and these flags on a thread that has
// unshared offsets.
func testLater(t *testing.T, l later) {
	l.need(t)
	launch := func(args *clone.Args) clone.Launcher { return design.PendingLaunch(t, timens.Across, args) }
	l.check(l.start(t, launch, design.NewTime(), timens.Across), t)
}

// CLONE_AUTOREAP works with CLONE_NEWTIME: nobody can wait for the child, and its pidfd
// shows its end.
func TestNewTimeAutoreap(t *testing.T) { testLater(t, reapsItself) }

func (c *laterChild) checkAutoreap(t *testing.T) {
	t.Helper()
	defer unix.Close(int(c.fd))
	if readable(t, c.fd) {
		t.Error("the pidfd is readable before the child's end")
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	c.checkGone(t)
	if !readable(t, c.fd) {
		t.Error("the pidfd is not readable after the child's end")
	}
}

// checkGone waits for the end of a child that leaves no zombie.
func (c *laterChild) checkGone(t *testing.T) {
	t.Helper()
	if err := c.Gone(timens.Patience); err != nil {
		t.Fatal(err)
	}
	if pid, err := unix.Wait4(c.PID, nil, unix.WNOHANG|unix.WALL, nil); err != unix.ECHILD {
		t.Errorf("wait4 for the child: %d, %v, want %v", pid, err, unix.ECHILD)
	}
}

// CLONE_NNP works with CLONE_NEWTIME: the child has no_new_privs, and its parent does
// not.
func TestNewTimeNNP(t *testing.T) { testLater(t, noPrivileges) }

func (c *laterChild) checkNNP(t *testing.T) {
	t.Helper()
	defer unix.Close(int(c.fd))
	if got, err := c.nnp.Value(); got != 1 || err != nil {
		t.Errorf("PR_GET_NO_NEW_PRIVS of the child is %d, %v, want 1", got, err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); got != 0 || err != nil {
		t.Errorf("PR_GET_NO_NEW_PRIVS of the parent is %d, %v, want 0", got, err)
	}
	endPaused(t, c.Child)
}

// CLONE_PIDFD_AUTOKILL works with CLONE_NEWTIME: when the last descriptor of the child's
// pidfd is closed, the child is killed.
func TestNewTimePidfdAutokill(t *testing.T) { testLater(t, endsWithFD) }

func (c *laterChild) checkAutokill(t *testing.T) {
	t.Helper()
	second, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(int(c.fd)); err != nil {
		t.Fatal(err)
	}
	if readable(t, int32(second)) {
		t.Error("the child has ended when one of two descriptors was closed")
	}
	if err := unix.Close(second); err != nil {
		t.Fatal(err)
	}
	c.checkGone(t)
}

// CLONE_EMPTY_MNTNS works with CLONE_NEWTIME: the child has a mount namespace without
// /proc, and its clocks are right all the same.
func TestNewTimeEmptyMntns(t *testing.T) { testLater(t, withoutFiles) }

func (c *laterChild) checkEmptyMntns(t *testing.T) {
	t.Helper()
	defer unix.Close(int(c.fd))
	if err := c.file.Err(); err != unix.ENOENT {
		t.Errorf("the child opens a file of /proc: %v, want %v", err, unix.ENOENT)
	}
	if got := processLink(t, c.PID, "mnt"); got == processLink(t, os.Getpid(), "mnt") {
		t.Errorf("the child is in its parent's mount namespace %s", got)
	}
	endPaused(t, c.Child)
}

// The flags that Linux 6.12 does not have work beside offsets. A kernel without one of
// them refuses it with EINVAL, also beside offsets.
func TestOffsetsWithLaterFlags(t *testing.T) {
	kernel := design.Need(t)
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []later{reapsItself, noPrivileges, endsWithFD, withoutFiles} {
		t.Run(l.name, func(t *testing.T) {
			if args := kernel.Args(timens.Across); l.flags&^defined != 0 {
				design.Refuse(t, l.add(args, new(int32)), unix.EINVAL)
				return
			}
			l.check(l.start(t, design.Launch, kernel.Args(timens.Across), timens.Across), t)
		})
	}
}

// clone3() refuses the flags that Linux 6.12 does not have where they make no sense, and
// accepts them otherwise, with CLONE_NEWTIME and without it.
func TestFlagCombinationsOfLaterFlags(t *testing.T) {
	timens.Need(t)
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	const chld = uint64(unix.SIGCHLD)
	const autokill = bits.PidfdAutokill | bits.Autoreap
	for _, test := range []struct {
		name   string
		flags  uint64
		signal uint64
		want   unix.Errno
	}{
		{"autoreap", bits.Autoreap, 0, taken},
		{"autoreap with a signal", bits.Autoreap, chld, unix.EINVAL},
		{"autoreap of a thread", bits.Autoreap | asThread, 0, unix.EINVAL},
		{"autoreap of a sibling", bits.Autoreap | unix.CLONE_PARENT, 0, unix.EINVAL},
		{"autoreap and vfork", bits.Autoreap | unix.CLONE_VM | unix.CLONE_VFORK, 0, taken},
		{"no privileges", bits.NNP, chld, taken},
		{"no privileges for a thread", bits.NNP | asThread, 0, unix.EINVAL},
		{"no privileges in a new user namespace", bits.NNP | unix.CLONE_NEWUSER, chld, taken},
		{"autokill", autokill, 0, taken},
		{"autokill without autoreap", bits.PidfdAutokill, 0, unix.EINVAL},
		{"autokill of a thread", autokill | asThread, 0, unix.EINVAL},
		{"empty mounts", bits.EmptyMntns, chld, taken},
		{"empty and new mounts", bits.EmptyMntns | unix.CLONE_NEWNS, chld, taken},
		{"empty mounts and root directory", bits.EmptyMntns | unix.CLONE_FS, chld, unix.EINVAL},
		{"all", autokill | bits.NNP | bits.EmptyMntns, 0, taken},
	} {
		want := test.want
		if test.flags>>32<<32&^defined != 0 {
			want = unix.EINVAL
		}
		for name, more := range map[string]uint64{"with": unix.CLONE_NEWTIME, "without": 0} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				args := late()
				args.Flags = unix.CLONE_PIDFD | test.flags | more
				args.ExitSignal = test.signal
				design.RefuseSize(t, args, clone.SizeVer2, want)
			})
		}
	}
	t.Run("autokill without a pidfd", func(t *testing.T) {
		args := design.NewTime()
		args.Flags |= autokill
		args.ExitSignal = 0
		design.RefuseSize(t, args, clone.SizeVer2, unix.EINVAL)
	})
}

// CLONE_PIDFD_AUTOKILL needs CAP_SYS_ADMIN, unless CLONE_NNP is beside it.
func TestPidfdAutokillOfUser(t *testing.T) {
	endsWithFD.need(t)
	for name, test := range map[string]struct {
		flags uint64
		want  unix.Errno
	}{"alone": {0, unix.EPERM}, "without privileges": {bits.NNP, taken}} {
		t.Run(name, func(t *testing.T) {
			asUser(t, func() {
				args := late()
				args.Flags = unix.CLONE_PIDFD | endsWithFD.flags | test.flags
				args.ExitSignal = 0
				design.RefuseSize(t, args, clone.SizeVer2, test.want)
			})
		})
	}
}

// unshare() takes CLONE_EMPTY_MNTNS by the bit of CLONE_PARENT_SETTID, also together with
// CLONE_NEWTIME. A kernel without the flag refuses that bit.
func TestUnshareEmptyMntns(t *testing.T) {
	withoutFiles.need(t)
	p := timens.NewProgram(t)
	before := p.ReadLink(current)
	unshare := p.Syscall(unix.SYS_UNSHARE, bits.UnshareEmptyMntns|unix.CLONE_NEWTIME)
	after := p.Open(current, unix.O_RDONLY)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	child, err := timens.Fork(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	defer endPaused(t, child)
	if err := unshare.Err(); err != nil {
		t.Errorf("unshare: %v", err)
	}
	if err := after.Err(); err != unix.ENOENT {
		t.Errorf("after unshare() the child opens a file of /proc: %v, want %v", err, unix.ENOENT)
	}
	if got, want := processLink(t, child.PID, "time"), timens.Text(t, before); got != want {
		t.Errorf("after unshare() the child is in %s, want %s", got, want)
	}
	if got := processLink(t, child.PID, "time_for_children"); got == timens.Text(t, before) {
		t.Errorf("after unshare() the child's children will be in its own time namespace %s", got)
	}
}
