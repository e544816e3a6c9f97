// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// asThread are the flags that every thread needs.
const asThread = unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD

// late returns a call for a new time namespace that fails after all arguments
// were checked and nearly all of the child was made: the address for its pidfd
// cannot be written.
func late() *clone.Args {
	args := design.NewTime()
	args.Flags |= unix.CLONE_PIDFD
	args.ParentTID = new(int32) // must differ from the address of the pidfd
	return args
}

// taken is the error of late if its flags are accepted.
const taken = unix.EFAULT

// Each bit of the flags is either accepted together with CLONE_NEWTIME or
// refused with EINVAL. Of the lowest eight bits, where clone() has the exit
// signal, CLONE_NEWTIME is the only one that is accepted. Of the bits above the
// lower 32, those are accepted that the kernel's headers define.
func TestFlagBits(t *testing.T) {
	timens.Need(t)
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	// These need other flags, no exit signal, or members beyond the size.
	alone := uint64(unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_PARENT | bits.Autoreap | bits.PidfdAutokill |
		bits.TimensMonotonic | bits.TimensBoottime)
	for bit := range 64 {
		flag := uint64(1) << bit
		want := unix.EINVAL
		if bits.Clone3(defined).Answer(flag) == bits.Taken && flag&alone == 0 {
			want = taken
		}
		t.Run(fmt.Sprintf("%#x", flag), func(t *testing.T) {
			args := late()
			args.Flags |= flag
			design.RefuseSize(t, args, clone.SizeVer2, want)
		})
	}
}

// CLONE_NEWTIME does not change which other flags exclude each other: clone3()
// refuses these, and accepts the others.
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
		{"handlers shared and cleared", unix.CLONE_SIGHAND | unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND, chld, unix.EINVAL},
		{"handlers cleared", unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND, chld, taken},
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

// clone3() refuses to write the pidfd and the child's TID to the same address.
func TestFlagsForOneAddress(t *testing.T) {
	timens.Need(t)
	args := late()
	args.Flags |= unix.CLONE_PARENT_SETTID
	fd := int32(-1)
	args.Pidfd, args.ParentTID = &fd, &fd
	design.RefuseSize(t, args, clone.SizeVer2, unix.EINVAL)
	if fd != -1 {
		t.Errorf("the refused call wrote %d", fd)
	}
}

// clone3() refuses CLONE_DETACHED, even without CLONE_PIDFD.
func TestFlagDetached(t *testing.T) {
	timens.Need(t)
	for detached, want := range map[uint64]unix.Errno{0x400000: unix.EINVAL, 0: unix.EEXIST} {
		args, init := design.NewTime(), int32(1) // PID 1 is in use
		args.SetTID, args.SetTIDSize = &init, 1
		args.Flags |= detached
		design.RefuseSize(t, args, clone.SizeVer2, want)
	}
}

// Without CAP_SYS_ADMIN no clone3() makes a time namespace, except together with a
// new user namespace.
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
			t.Errorf("the child with a new user namespace is in its parent's time namespace %s", got)
		}
	})
}
