// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// Flags that package unix does not have, or not for every architecture.
const (
	clearSighand = 1 << 32 // CLONE_CLEAR_SIGHAND
	intoCgroup   = 1 << 33 // CLONE_INTO_CGROUP
	asThread     = unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
)

// late is a call for a new time namespace that fails when all of its arguments
// were found good and the child is all but there: its pidfd has nowhere to go.
func late() *clone.Args {
	args := design.NewTime()
	args.Flags |= unix.CLONE_PIDFD
	args.ParentTID = new(int32) // or the flag for it would have the same address
	return args
}

// taken is what late ends with.
const taken = unix.EFAULT

// Each bit of the flags, alone with CLONE_NEWTIME. Of those that clone() had its
// signal in, that is the only one, and what has no meaning is refused.
func TestFlagBits(t *testing.T) {
	timens.Need(t)
	known := uint64(unix.CLONE_NEWTIME | 0xffbfff00 | clearSighand | intoCgroup) // without CLONE_DETACHED
	alone := uint64(unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_PARENT)  // those need company, or no signal
	for bit := range 64 {
		flag := uint64(1) << bit
		want := unix.EINVAL
		if flag&known != 0 && flag&alone == 0 {
			want = taken
		}
		t.Run(fmt.Sprintf("%#x", flag), func(t *testing.T) {
			args := late()
			args.Flags |= flag
			design.RefuseSize(t, args, clone.SizeVer2, want)
		})
	}
}

// What goes together and what does not, with CLONE_NEWTIME and without.
func TestFlagCombinations(t *testing.T) {
	timens.Need(t)
	const chld = uint64(unix.SIGCHLD)
	for _, test := range []struct {
		name   string
		flags  uint64
		signal uint64
		want   unix.Errno
	}{
		{"process", 0, chld, taken},
		{"thread", asThread, 0, taken},
		{"thread with a signal", asThread, chld, unix.EINVAL},
		{"thread without handlers", unix.CLONE_THREAD | unix.CLONE_VM, 0, unix.EINVAL},
		{"thread without memory", unix.CLONE_THREAD | unix.CLONE_SIGHAND, 0, unix.EINVAL},
		{"thread in a new user namespace", asThread | unix.CLONE_NEWUSER, 0, unix.EINVAL},
		{"thread in a new PID namespace", asThread | unix.CLONE_NEWPID, 0, unix.EINVAL},
		{"thread in a new UTS namespace", asThread | unix.CLONE_NEWUTS, 0, taken},
		{"handlers", unix.CLONE_SIGHAND | unix.CLONE_VM, chld, taken},
		{"handlers without memory", unix.CLONE_SIGHAND, chld, unix.EINVAL},
		{"handlers shared and cleared", unix.CLONE_SIGHAND | unix.CLONE_VM | clearSighand, chld, unix.EINVAL},
		{"handlers cleared", unix.CLONE_VM | clearSighand, chld, taken},
		{"sibling", unix.CLONE_PARENT, 0, taken},
		{"sibling with a signal", unix.CLONE_PARENT, chld, unix.EINVAL},
		{"mounts and root directory", unix.CLONE_NEWNS | unix.CLONE_FS, chld, unix.EINVAL},
		{"users and root directory", unix.CLONE_NEWUSER | unix.CLONE_FS, chld, unix.EINVAL},
		{"new and shared semaphores", unix.CLONE_NEWIPC | unix.CLONE_SYSVSEM, chld, unix.EINVAL},
		{"vfork", unix.CLONE_VM | unix.CLONE_VFORK, chld, taken},
		{"all namespaces", unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
			unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP, chld, taken},
	} {
		for name, more := range map[string]uint64{"with": unix.CLONE_NEWTIME, "without": 0} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				args := late()
				args.Flags = unix.CLONE_PIDFD | test.flags | more
				args.ExitSignal = test.signal
				design.RefuseSize(t, args, clone.SizeVer2, test.want)
			})
		}
	}
}

// The pidfd and the child's number cannot go to one place.
func TestFlagsForOneAddress(t *testing.T) {
	timens.Need(t)
	args := late()
	args.Flags |= unix.CLONE_PARENT_SETTID
	fd := int32(-1)
	args.Pidfd, args.ParentTID = &fd, &fd
	design.RefuseSize(t, args, clone.SizeVer2, unix.EINVAL)
	if fd != -1 {
		t.Errorf("the refused call has written %d", fd)
	}
}

// CLONE_DETACHED is kept free also without a pidfd, which copy_process() looks at.
func TestFlagDetached(t *testing.T) {
	timens.Need(t)
	for detached, want := range map[uint64]unix.Errno{0x400000: unix.EINVAL, 0: unix.EEXIST} {
		args, init := design.NewTime(), int32(1) // which is in use
		args.SetTID, args.SetTIDSize = &init, 1
		args.Flags |= detached
		design.RefuseSize(t, args, clone.SizeVer2, want)
	}
}

// Nobody without CAP_SYS_ADMIN gets a time namespace, however it is asked for,
// except with a user namespace that it belongs to.
func TestNewTimeOfUser(t *testing.T) {
	timens.Need(t)
	for name, flags := range map[string]uint64{
		"fork": 0, "vfork": unix.CLONE_VM | unix.CLONE_VFORK, "shared memory": unix.CLONE_VM, "UTS": unix.CLONE_NEWUTS,
	} {
		t.Run(name, func(t *testing.T) {
			asUser(t, func() {
				args := design.NewTime()
				args.Flags |= flags
				design.RefuseSize(t, args, clone.SizeVer2, unix.EPERM)
			})
		})
	}
	asUser(t, func() {
		args := design.NewTime()
		args.Flags |= unix.CLONE_NEWUSER
		p := timens.NewProgram(t)
		link := p.ReadLink(current)
		timens.Run(t, design.Launch(args), p)
		if got := timens.Text(t, link); got == threadLink(t, "time") {
			t.Errorf("with a user namespace the child is in its parent's time namespace %s", got)
		}
	})
}
