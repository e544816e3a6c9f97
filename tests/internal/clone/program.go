// SPDX-License-Identifier: BSD-3-Clause

package clone

import (
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
)

const (
	maxSteps    = 1024
	maxSubSteps = 128
	stackSize   = 8 << 10 // enough for system calls and the vDSO

	sysClone3 = 435 // used by the assembly, too
)

// step is one call of the child. The assembly knows its layout from go_asm.h.
type step struct {
	fn   uintptr // a C function; 0 makes the step a system call
	nr   uintptr
	args [6]uintptr
	from uintptr // if not 0, address of the value for args[0]
	twin uintptr // if not 0, address of the step that follows when this system call of two arguments returns 0
	ret  int64
	done uint64
}

// Program is a list of steps that a child runs until it exits. A failed step
// does not stop it. Each result can be read when the child has finished the
// step. When the child has ended the Program can be started again.
type Program struct {
	*memory
	subs   []*Program
	steps  []step
	n      int
	stack  []byte
	mask   []byte // signal mask for Exec, set by Start
	ready  int    // eventfds of Pause, or -1
	resume int
	keep   []*Args
	forks  []*Program // programs passed to Fork
	slim   []step     // first steps of a slim child
	all    []*step    // steps of Populate, whose sizes Start fills in
	kept   []span
}

// NewProgram returns an empty program. Close frees it.
func NewProgram() (*Program, error) {
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	return emptyProgram(m, maxSteps), nil
}

func emptyProgram(m *memory, steps int) *Program {
	return &Program{
		memory: m,
		steps:  m.steps(steps),
		stack:  m.stack(),
		mask:   m.alloc(abi.SigsetSize),
		ready:  -1,
		resume: -1,
	}
}

// Sub returns an empty program to pass to Fork. It is freed together with p.
func (p *Program) Sub() *Program {
	sub := emptyProgram(p.memory, maxSubSteps)
	p.subs = append(p.subs, sub)
	return sub
}

// Close frees the program and its results.
func (p *Program) Close() error {
	for _, q := range append(p.subs, p) {
		for _, fd := range []int{q.ready, q.resume} {
			if fd >= 0 {
				unix.Close(fd) // an eventfd has no data to lose
			}
		}
	}
	if err := unix.Munmap(p.bytes); err != nil {
		return fmt.Errorf("unmap a program: %w", err)
	}
	return nil
}

// Slim makes the child unmap all memory except the program's before its first
// step. Copying the memory of a Go program takes ten times longer than the rest
// of fork() and exit(), so a program that makes many children of its own should
// be slim. The child must have its own copy of memory, and all that its steps
// point at must be allocated by the program, or passed to Keep. The kernel
// kills a slim child whose C library registered an rseq() area, which glibc
// does unless GLIBC_TUNABLES=glibc.pthread.rseq=0.
func (p *Program) Slim() { p.slim = p.memory.steps(maxSubSteps) }

// Keep makes a slim child keep b mapped.
func (p *Program) Keep(b []byte) { p.kept = append(p.kept, spanOf(b)) }

// Populate adds a step that maps all pages of the program, so that no later
// step needs an allocation for them.
func (p *Program) Populate() Result {
	r := p.Syscall(unix.SYS_MADVISE)
	p.all = append(p.all, r.step)
	return r
}

// first is the step that a child starts with.
func (p *Program) first() (*step, error) {
	if p.slim == nil {
		return &p.steps[0], nil
	}
	own, err := ownLayout()
	if err != nil {
		return nil, err
	}
	unmap := gaps(slices.Concat(own.code, []span{spanOf(p.bytes)}, p.kept), own.end)
	for i, gap := range unmap {
		p.slim[i] = step{nr: unix.SYS_MUNMAP, args: [6]uintptr{gap.start, gap.end - gap.start}}
	}
	p.slim[len(unmap)-1].twin = uintptr(unsafe.Pointer(&p.steps[0]))
	return &p.slim[0], nil
}

// Syscall adds a system call.
func (p *Program) Syscall(nr uintptr, args ...uintptr) Result {
	s := step{nr: nr}
	copy(s.args[:], args)
	return p.add(s)
}

// Call adds a call of a function of the vDSO, or of the system call that does
// the same.
func (p *Program) Call(via clock.Via, function string, nr uintptr, args ...uintptr) Result {
	s := step{nr: nr}
	copy(s.args[:], args)
	if via.IsVDSO() {
		entry, err := clock.VDSOFunc(function)
		if err != nil {
			panic(err) // every kernel that these tests run on has them
		}
		s.fn = entry
	}
	return p.add(s)
}

// Alloc returns a zeroed T in memory that the test and the child share. Pass
// its Addr to a call.
func Alloc[T any](p *Program) *T {
	var t T
	return (*T)(unsafe.Pointer(unsafe.SliceData(p.alloc(int(unsafe.Sizeof(t))))))
}

// Addr returns the address of what Alloc returned, as an argument of a call.
func Addr[T any](t *T) uintptr { return uintptr(unsafe.Pointer(t)) }

// Operand is an argument of On: a Result or a Word.
type Operand interface{ word() *int64 }

// On adds a system call whose first argument is the result of an earlier step,
// such as a file descriptor.
func (p *Program) On(first Operand, nr uintptr, rest ...uintptr) Result {
	s := step{nr: nr, from: uintptr(unsafe.Pointer(first.word()))}
	copy(s.args[1:], rest)
	return p.add(s)
}

// Word returns a number in shared memory that is 0 until a process of the
// program, or the kernel, writes to it.
func (p *Program) Word() Word { return Word{Alloc[int64](p)} }

// Data returns the address of a copy of b in shared memory, as an argument of a
// call.
func (p *Program) Data(b []byte) uintptr { return addr(p.copy(b)) }

// PIDs returns a copy of pids in shared memory, for Args.SetTID.
func (p *Program) PIDs(pids ...int32) *int32 {
	b := p.alloc(4 * len(pids))
	copy(unsafe.Slice((*int32)(unsafe.Pointer(&b[0])), len(pids)), pids)
	return (*int32)(unsafe.Pointer(&b[0]))
}

// ClockGettime adds a reading of a clock.
func (p *Program) ClockGettime(id clock.ID, via clock.Via) Reading {
	ts := Alloc[abi.Timespec](p)
	nr := via.Width().Nr(abi.ClockGettime)
	return Reading{p.Call(via, via.Gettime(), nr, uintptr(id), Addr(ts)), via, ts}
}

// ReadFile adds steps that open a small file and read it with one read().
func (p *Program) ReadFile(path string) Contents { return p.ReadFileSize(path, 512) }

// ReadFileSize is ReadFile for at most size bytes.
func (p *Program) ReadFileSize(path string, size int) Contents {
	buf := p.alloc(size)
	open := p.Open(path, unix.O_RDONLY)
	read := p.On(open, unix.SYS_READ, addr(buf), uintptr(len(buf)))
	p.On(open, unix.SYS_CLOSE)
	return Contents{open, read, buf}
}

// Reread adds a read of an open file from its beginning.
func (p *Program) Reread(open Result, size int) Contents {
	buf := p.alloc(size)
	return Contents{open, p.On(open, unix.SYS_PREAD64, addr(buf), uintptr(size), 0), buf}
}

// ReadLink adds a read of a symbolic link.
func (p *Program) ReadLink(path string) Contents {
	buf := p.alloc(64)
	read := p.Syscall(unix.SYS_READLINK, p.str(path), addr(buf), uintptr(len(buf)))
	return Contents{read, read, buf}
}

// WriteFile adds steps that open a file and write text with one write().
func (p *Program) WriteFile(path, text string) Written {
	open := p.Open(path, unix.O_WRONLY)
	write := p.On(open, unix.SYS_WRITE, p.str(text), uintptr(len(text)))
	p.On(open, unix.SYS_CLOSE)
	return Written{open, write}
}

// Setns adds steps that open path and enter the namespace.
func (p *Program) Setns(path string, flags int) Written {
	open := p.Open(path, unix.O_RDONLY)
	setns := p.On(open, unix.SYS_SETNS, uintptr(flags))
	p.On(open, unix.SYS_CLOSE)
	return Written{open, setns}
}

// Fork adds a clone3() with the first size bytes of args. Its child, a
// grandchild of the test, runs child. Add no steps to child after that, do not
// start it, and wait for it with Wait.
func (p *Program) Fork(args *Args, size uintptr, child *Program) Result {
	call := p.adopt(args, size)
	call.Stack, call.StackSize = uint64(addr(child.stack)), stackSize
	return p.ForkAt(call, size, child)
}

// ForkAt is Fork, but passes the address of args itself, which need not even be
// readable. If args name no stack, the grandchild must have a copy of memory.
func (p *Program) ForkAt(args *Args, size uintptr, child *Program) Result {
	call := p.Clone3At(args, size)
	call.step.twin = uintptr(unsafe.Pointer(&child.steps[0]))
	p.forks = append(p.forks, child)
	return call
}

// OldFork is Fork by the system call fork(), which has no arguments. The grandchild continues on
// its copy of the stack.
func (p *Program) OldFork(child *Program) Result {
	fork := p.Syscall(unix.SYS_FORK)
	fork.step.twin = uintptr(unsafe.Pointer(&child.steps[0]))
	p.forks = append(p.forks, child)
	return fork
}

// adopt copies into the program the first size bytes of args, and their offsets
// if those were passed to Hold.
func (p *Program) adopt(args *Args, size uintptr) *Args {
	p.keep = append(p.keep, args)
	size = max(min(size, MaxSize), SizeVer3)
	mem := p.copy(unsafe.Slice((*byte)(unsafe.Pointer(args)), size))
	call := (*Args)(unsafe.Pointer(&mem[0])) // mem may be shorter than an Args
	if len(args.held) > 0 {
		call.Offsets[0] = uint64(p.Data(args.held))
	}
	return call
}

// Wait adds a wait for the end of a grandchild.
func (p *Program) Wait(fork Result) Ended {
	status := p.Word()
	wait := p.On(fork, unix.SYS_WAIT4, status.Addr(), unix.WALL, 0)
	return Ended{wait, status}
}

// Clone3 adds a clone3() that must fail. If it succeeds, the new process runs
// the remaining steps, too.
func (p *Program) Clone3(args *Args, size uintptr) Result {
	return p.Clone3At(p.adopt(args, size), size)
}

// Clone3At is Clone3, but passes the address of args itself, readable or not.
func (p *Program) Clone3At(args *Args, size uintptr) Result {
	p.keep = append(p.keep, args)
	return p.Syscall(sysClone3, uintptr(unsafe.Pointer(args)), size)
}

// Pause adds a point where the child reports that it is ready and waits for
// Resume; see Child.Ready and Child.Resume.
func (p *Program) Pause() error {
	if p.ready < 0 {
		var err error
		if p.ready, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			return fmt.Errorf("eventfd: %w", err)
		}
		if p.resume, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			return fmt.Errorf("eventfd: %w", err)
		}
	}
	one := p.alloc(8)
	one[0] = 1
	p.Syscall(unix.SYS_WRITE, uintptr(p.ready), addr(one), 8)
	p.Syscall(unix.SYS_READ, uintptr(p.resume), addr(p.alloc(8)), 8)
	return nil
}

// Exec adds an execve() of another program, with stdout as its standard output
// if that is not nil. The program's environment has only the setting that keeps
// the Go runtime from sending signals to its own threads. No step may follow.
func (p *Program) Exec(path string, argv []string, stdout *os.File) Result {
	if stdout != nil {
		p.Syscall(unix.SYS_DUP3, stdout.Fd(), 1, 0)
	}
	p.Syscall(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, addr(p.mask), 0, abi.SigsetSize)
	exec := p.Syscall(unix.SYS_EXECVE, p.str(path), p.vector(argv...), p.vector("GODEBUG="+os.Getenv("GODEBUG")))
	p.Exit(127)
	return exec
}

// TryExec adds an execve() that must fail.
func (p *Program) TryExec(path string) Result {
	none := p.vector()
	return p.Syscall(unix.SYS_EXECVE, p.str(path), none, none)
}

// vector returns the address of an array of strings, as execve() takes it.
func (p *Program) vector(all ...string) uintptr {
	mem := p.alloc(int(unsafe.Sizeof(uintptr(0))) * (len(all) + 1))
	array := unsafe.Slice((*uintptr)(unsafe.Pointer(&mem[0])), len(all)+1)
	for i, s := range all {
		array[i] = p.str(s)
	}
	return addr(mem)
}

// Exit adds an exit with a status. A program without it exits with 0.
func (p *Program) Exit(status int) {
	// Not exit_group(): in a thread that should not exist, it would end the
	// tests.
	p.Syscall(unix.SYS_EXIT, uintptr(status))
}

// Open adds an open() with O_CLOEXEC.
func (p *Program) Open(path string, flags int) Result {
	return p.Syscall(unix.SYS_OPEN, p.str(path), uintptr(flags)|unix.O_CLOEXEC, 0)
}

func (p *Program) add(s step) Result {
	if p.n == len(p.steps)-1 { // Start uses the last one
		panic("clone: program too long")
	}
	p.steps[p.n] = s
	p.n++
	return Result{&p.steps[p.n-1]}
}

func (p *Program) str(s string) uintptr { return p.Data(append([]byte(s), 0)) }
