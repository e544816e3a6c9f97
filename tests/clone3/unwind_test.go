// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series. They are about calls of
// clone3() that fail when nearly everything of the child exists, and must give all of it back.

package clone3

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// lateFailure is a reason for which clone3() fails after it has copied or shared the memory,
// the files and all else of its caller.
type lateFailure struct {
	name    string
	want    unix.Errno
	set     func(*clone.Args)
	spoil   func(*clone.Program) // prepares the caller; may be nil
	threads bool                 // a new thread fails in the same way
}

// lateFailures returns the reasons in the order in which copy_process() meets them.
func lateFailures(t *testing.T) []lateFailure {
	t.Helper()
	h := mountHierarchy(t)
	h.limitProcesses(t)
	full, removed := h.make(t, "full"), h.make(t, "removed")
	h.write(t, "full/pids.max", "0")
	if err := unix.Rmdir(filepath.Join(h.root, "removed")); err != nil {
		t.Fatal(err)
	}
	taken, nowhere := int32(os.Getpid()), timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)
	word := new(int32)
	into := func(group uint64) func(*clone.Args) {
		return func(args *clone.Args) {
			args.Flags |= unix.CLONE_INTO_CGROUP | unix.CLONE_PIDFD
			args.Cgroup, args.Pidfd = group, word
		}
	}
	pidfd := func(p *int32) func(*clone.Args) {
		return func(args *clone.Args) {
			args.Flags |= unix.CLONE_PIDFD
			args.Pidfd = p
		}
	}
	return []lateFailure{
		{"set_tid in use", unix.EEXIST, func(args *clone.Args) { args.SetTID, args.SetTIDSize = &taken, 1 }, nil, true},
		{"no descriptor for the pidfd", unix.EMFILE, pidfd(word), func(p *clone.Program) { limitFiles(p, 0) }, true},
		{"pidfd to nowhere", unix.EFAULT, pidfd(int32At(nowhere, 0)), nil, true},
		{"removed cgroup", unix.ENOENT, into(removed), nil, false},
		{"full cgroup", unix.EAGAIN, into(full), nil, false},
	}
}

// limitFiles sets how many descriptors the process of a program may have.
func limitFiles(p *clone.Program, n uint64) clone.Result {
	return setLimit(p, unix.RLIMIT_NOFILE, n, 1024)
}

// setLimit adds a step that sets a limit, which a later one can raise to most. A process without
// privileges cannot have more than it was given, which is little on a debug kernel.
func setLimit(p *clone.Program, resource uintptr, n, most uint64) clone.Result {
	limit := unix.Rlimit{Cur: n, Max: most}
	return p.Syscall(unix.SYS_PRLIMIT64, 0, resource, p.Data(clone.Bytes(limit)), 0)
}

// What the child of a call shares with the caller. It has a copy of all else.
var sharedByChild = []struct {
	name  string
	flags uint64
}{
	{"nothing", 0},
	{"files", unix.CLONE_FILES | unix.CLONE_FS | unix.CLONE_IO | unix.CLONE_SYSVSEM},
	{"memory", unix.CLONE_VM},
	{"memory until it execs", unix.CLONE_VM | unix.CLONE_VFORK},
	{"all", unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_FILES | unix.CLONE_FS | unix.CLONE_IO | unix.CLONE_SYSVSEM},
	{"the process", unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_FILES | unix.CLONE_FS | unix.CLONE_SYSVSEM},
}

// A clone3() that fails late keeps nothing of its caller in use. When the caller has ended, its
// file system can be unmounted, although the caller had a folder, an open file and a mapping
// there, and its operations on semaphores are undone.
func TestLateFailureKeepsNothing(t *testing.T) {
	timens.Need(t)
	failures := lateFailures(t)
	semaphore := newSemaphore(t)
	for _, failure := range failures {
		for _, shared := range sharedByChild {
			thread := shared.flags&unix.CLONE_THREAD != 0
			if thread && !failure.threads {
				continue // a thread stays in the cgroup of its process
			}
			t.Run(failure.name+", child shares "+shared.name, func(t *testing.T) {
				args := design.NewTime()
				if thread { // which has no exit signal, and no new time namespace
					args.Flags, args.ExitSignal = 0, 0
				}
				args.Flags |= shared.flags
				failure.set(args)
				disk := mountDisk(t)
				p := timens.NewProgram(t)
				ready := []step{p.Syscall(unix.SYS_CHDIR, p.Data([]byte(disk.dir+"\x00"))), p.Open(disk.file, unix.O_RDWR), semaphore.take(p)}
				if failure.spoil != nil {
					failure.spoil(p)
				}
				calls := []clone.Result{p.Clone3(args, clone.SizeVer2), p.Clone3(args, clone.SizeVer2)}
				timens.Run(t, timens.Fork, p)
				checkFailed(t, ready, calls, failure.want)
				if err := disk.unmount(); err != nil {
					t.Errorf("unmount the file system of a caller that has ended: %v", err)
				}
				if got := semaphore.value(t); got != 1 {
					t.Errorf("the semaphore is %d after its last user has ended, want 1", got)
				}
			})
		}
	}
}

// checkFailed checks that the preparation of a program has succeeded, and that each of its calls
// has failed with want.
func checkFailed(t *testing.T, ready []step, calls []clone.Result, want unix.Errno) {
	t.Helper()
	for i, s := range ready {
		if err := s.Err(); err != nil {
			t.Fatalf("preparation step %d: %v", i+1, err)
		}
	}
	for i, call := range calls {
		if err := call.Err(); err != want {
			t.Errorf("call %d: %v, want %v", i+1, err, want)
		}
	}
}

// disk is a mounted file system, of which a file is mapped.
type disk struct {
	dir, file string
	mapped    []byte
}

func mountDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir()}
	d.file = filepath.Join(d.dir, "file")
	if err := unix.Mount("none", d.dir, "tmpfs", 0, ""); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(d.dir, unix.MNT_DETACH) }) // it is no longer mounted if the test passes
	file, err := os.Create(d.file)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(timens.PageSize); err != nil {
		t.Fatal(err)
	}
	d.mapped, err = unix.Mmap(int(file.Fd()), 0, timens.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// unmount fails if anybody but the test uses the file system.
func (d *disk) unmount() error {
	if err := unix.Munmap(d.mapped); err != nil {
		return err
	}
	return unix.Unmount(d.dir, 0)
}

// semaphore is a System V semaphore, whose value is 1.
type semaphore uintptr

func newSemaphore(t *testing.T) semaphore {
	t.Helper()
	const ipcPrivate, ipcRmid, setval = 0, 0, 16
	id, _, errno := unix.Syscall(unix.SYS_SEMGET, ipcPrivate, 1, 0o600)
	if errno != 0 {
		t.Fatalf("semget: %v", errno)
	}
	t.Cleanup(func() { unix.Syscall(unix.SYS_SEMCTL, id, 0, ipcRmid) }) // its namespace ends with the guest
	if _, _, errno := unix.Syscall6(unix.SYS_SEMCTL, id, 0, setval, 1, 0, 0); errno != 0 {
		t.Fatalf("semctl: %v", errno)
	}
	return semaphore(id)
}

// take adds a step that makes the semaphore 0 until the process ends.
func (s semaphore) take(p *clone.Program) clone.Result {
	const semUndo = 0x1000
	decrement := clone.Alloc[struct {
		number    uint16
		by, flags int16
	}](p)
	decrement.by, decrement.flags = -1, semUndo
	return p.Syscall(abi.Time64.Nr(abi.Semtimedop), uintptr(s), uintptr(unsafe.Pointer(decrement)), 1, 0)
}

func (s semaphore) value(t *testing.T) int {
	t.Helper()
	const getval = 12
	value, _, errno := unix.Syscall6(unix.SYS_SEMCTL, uintptr(s), 0, getval, 0, 0, 0)
	if errno != 0 {
		t.Fatalf("semctl: %v", errno)
	}
	return int(value)
}

// A clone3() that fails does not count as a process of its user: a user who may have one more
// process can still make it.
func TestLateFailureIsNoProcess(t *testing.T) {
	timens.Need(t)
	const user = 31337 // who has no other process
	nowhere, free, word := timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE), freePID(t), new(int32)
	for _, test := range []struct {
		name      string
		want      unix.Errno
		args      clone.Args
		processes uint64 // how many the user may have
		files     uint64
	}{
		{"no more processes", unix.EAGAIN, clone.Args{}, 1, 1024},
		{"set_tid without a capability", unix.EPERM, clone.Args{SetTID: &free, SetTIDSize: 1}, 2, 1024},
		{"no descriptor for the pidfd", unix.EMFILE, clone.Args{Flags: unix.CLONE_PIDFD, Pidfd: word}, 2, 0},
		{"pidfd to nowhere", unix.EFAULT, clone.Args{Flags: unix.CLONE_PIDFD, Pidfd: int32At(nowhere, 0)}, 2, 1024},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := test.args
			args.ExitSignal = uint64(unix.SIGCHLD)
			p := timens.NewProgram(t)
			ready := []step{
				p.Syscall(unix.SYS_SETRESGID, user, user, user), p.Syscall(unix.SYS_SETRESUID, user, user, user),
				setLimit(p, unix.RLIMIT_NPROC, test.processes, 2), limitFiles(p, test.files),
			}
			var calls []clone.Result
			for range 3 {
				calls = append(calls, p.Clone3(&args, clone.SizeVer1))
			}
			ready = append(ready, setLimit(p, unix.RLIMIT_NPROC, 2, 2))
			ended := p.Wait(p.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, p.Sub()))
			timens.Run(t, timens.Fork, p)
			checkFailed(t, ready, calls, test.want)
			if status, err := ended.Status(); err != nil || status != 0 {
				t.Errorf("the second process of a user who may have two: wait status %#x, %v, want exit(0)", int(status), err)
			}
		})
	}
}

// A PID that set_tid names is free again after a clone3() that failed late, also in the PID
// namespaces around a new one.
func TestLateFailureFreesPID(t *testing.T) {
	timens.Need(t)
	free := freePID(t)
	for _, failure := range lateFailures(t) {
		if failure.want == unix.EEXIST || failure.spoil != nil {
			continue // no PID is allocated, or the test itself would lose its descriptors
		}
		for name, tids := range map[string][]int32{"": {free}, " of a new PID namespace": {1, free}} {
			t.Run(failure.name+name, func(t *testing.T) {
				args := design.NewTime()
				if len(tids) > 1 {
					args.Flags |= unix.CLONE_NEWPID
				}
				args.SetTID, args.SetTIDSize = &tids[0], uint64(len(tids))
				late := *args
				failure.set(&late)
				for range 2 {
					design.RefuseSize(t, &late, clone.SizeVer2, failure.want)
				}
				child, err := clone.Start(args, clone.SizeVer1, timens.NewProgram(t))
				if err != nil {
					t.Fatalf("clone3 with set_tid %v after the failures: %v", tids, err)
				}
				timens.Reap(t, child)
				if child.PID != int(free) {
					t.Errorf("clone3 with set_tid %v returned %d", tids, child.PID)
				}
			})
		}
	}
}

// A clone3() that fails after it has reserved a pidfd leaves no descriptor open, although it has
// already written its number.
func TestLateFailureClosesPidfd(t *testing.T) {
	timens.Need(t)
	for _, failure := range lateFailures(t) {
		if failure.want != unix.ENOENT && failure.want != unix.EAGAIN {
			continue // the others write no number
		}
		for _, flags := range []uint64{0, unix.CLONE_FILES} {
			p := timens.NewProgram(t)
			args, number := design.NewTime(), p.Word()
			failure.set(args)
			args.Flags |= flags
			args.Pidfd = number.Int32()
			before := p.Syscall(unix.SYS_FCNTL, 2, unix.F_DUPFD, 3)
			p.On(before, unix.SYS_CLOSE)
			number.Set(-1)
			call := p.Clone3(args, clone.SizeVer2)
			open := p.On(number, unix.SYS_FCNTL, unix.F_GETFD, 0)
			after := p.Syscall(unix.SYS_FCNTL, 2, unix.F_DUPFD, 3)
			timens.Run(t, timens.Fork, p)
			if err := call.Err(); err != failure.want {
				t.Errorf("%s, flags %#x: %v, want %v", failure.name, flags, err, failure.want)
			}
			if err := open.Err(); err != unix.EBADF {
				t.Errorf("%s, flags %#x: the descriptor %d is open: %v, want %v", failure.name, flags, number.Value(), err, unix.EBADF)
			}
			low, err1 := before.Value()
			now, err2 := after.Value()
			if err1 != nil || err2 != nil || low != now {
				t.Errorf("%s, flags %#x: the lowest free descriptor was %d (%v), and is now %d (%v)", failure.name, flags, low, err1, now, err2)
			}
		}
	}
}

// A clone3() that a full cgroup refuses is charged to no cgroup, and processes can still move
// into the cgroup and out of it.
func TestLateFailureIsNotCharged(t *testing.T) {
	timens.Need(t)
	h := mountHierarchy(t)
	h.limitProcesses(t)
	h.make(t, "outer")
	h.write(t, "outer/cgroup.subtree_control", "+pids")
	inner := h.make(t, "outer/inner")
	charged := func(want string) {
		t.Helper()
		for _, group := range []string{"outer", "outer/inner"} {
			text, err := os.ReadFile(filepath.Join(h.root, group, "pids.current"))
			if err != nil || string(text) != want+"\n" {
				t.Errorf("%s has %q processes, %v, want %s", group, text, err, want)
			}
		}
	}
	child := startPaused(t, func(p *clone.Program) (*clone.Child, error) { return clone.Start(inGroup(inner), clone.SizeVer2, p) })
	charged("1")
	for _, full := range []string{"outer/inner", "outer"} { // the kernel charges from the inner to the outer one
		h.write(t, full+"/pids.max", "1")
		for range 3 {
			design.RefuseSize(t, inGroup(inner), clone.SizeVer2, unix.EAGAIN)
			charged("1")
		}
		h.write(t, full+"/pids.max", "max")
	}
	endPaused(t, child)
	charged("0")
	h.write(t, "outer/inner/cgroup.procs", "0")
	h.write(t, "cgroup.procs", "0")
	timens.Run(t, func(p *clone.Program) (*clone.Child, error) { return clone.Start(inGroup(inner), clone.SizeVer2, p) }, timens.NewProgram(t))
}

// The first process of a PID namespace becomes its init. If that process is refused because of its
// PIDs, the namespace still waits for its first process.
func TestFirstProcessRefused(t *testing.T) {
	timens.Need(t)
	taken := []int32{1, int32(os.Getpid())}
	refused := &clone.Args{ExitSignal: uint64(unix.SIGCHLD), SetTID: &taken[0], SetTIDSize: 2}
	inNewPID(t, func() {
		design.RefuseSize(t, refused, clone.SizeVer1, unix.EEXIST)
		wantInit(t)
	})
}

// If the first process of a PID namespace fails when it already had its PID, the namespace still
// waits for its first process.
func TestGapFirstProcessFailsLate(t *testing.T) {
	timens.Need(t)
	nowhere := timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)
	late := &clone.Args{ExitSignal: uint64(unix.SIGCHLD), Flags: unix.CLONE_PIDFD, Pidfd: int32At(nowhere, 0)}
	inNewPID(t, func() {
		design.RefuseSize(t, late, clone.SizeVer1, unix.EFAULT)
		wantInit(t)
	})
}

// wantInit starts the first process of a PID namespace.
func wantInit(t *testing.T) {
	t.Helper()
	p := timens.NewProgram(t)
	pid := p.Syscall(unix.SYS_GETPID)
	timens.Run(t, timens.Fork, p)
	if got, err := pid.Value(); got != 1 || err != nil {
		t.Errorf("the first process of a PID namespace has PID %d, %v, want 1", got, err)
	}
}

// Before a PID namespace has an init, set_tid can only ask for PID 1. When its init has ended, no
// PID can be had any more: clone3() fails with ENOMEM, whatever set_tid says.
func TestSetTIDAroundInit(t *testing.T) {
	timens.Need(t)
	want := func(when string, tids []int32, want error) {
		t.Helper()
		args := &clone.Args{ExitSignal: uint64(unix.SIGCHLD)}
		if len(tids) > 0 {
			args.SetTID, args.SetTIDSize = &tids[0], uint64(len(tids))
		}
		p := timens.NewProgram(t)
		pid := p.Syscall(unix.SYS_GETPID)
		child, err := clone.Start(args, clone.SizeVer1, p)
		if err != want {
			t.Errorf("%s, set_tid %v: %v, want %v", when, tids, err, want)
		}
		if err != nil {
			return
		}
		timens.Reap(t, child)
		if got, err := pid.Value(); got != int(tids[0]) || err != nil {
			t.Errorf("%s, set_tid %v: the child has PID %d, %v", when, tids, got, err)
		}
	}
	outer := freePID(t)
	inNewPID(t, func() {
		want("no init", []int32{2}, unix.EINVAL)
		want("no init", []int32{300, outer}, unix.EINVAL)
		init := startPaused(t, func(p *clone.Program) (*clone.Child, error) {
			one := p.PIDs(1)
			return clone.Start(&clone.Args{ExitSignal: uint64(unix.SIGCHLD), SetTID: one, SetTIDSize: 1}, clone.SizeVer1, p)
		})
		want("an init that runs", []int32{1}, unix.EEXIST)
		want("an init that runs", []int32{2}, nil)
		want("an init that runs", []int32{300, outer}, nil)
		want("an init that runs", []int32{300, outer}, nil)
		want("an init that runs", []int32{300, outer, 1}, unix.EINVAL) // the guest's own PID namespace is the outermost
		endPaused(t, init)
		for _, tids := range [][]int32{nil, {1}, {2}, {300, outer}} {
			want("an init that has ended", tids, unix.ENOMEM)
		}
	})
	want("afterwards, outside", []int32{outer}, nil)
}

// inNewPID calls fn on a thread whose children are in a new PID namespace.
func inNewPID(t *testing.T, fn func()) {
	t.Helper()
	err := osthread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
			return err
		}
		fn()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
