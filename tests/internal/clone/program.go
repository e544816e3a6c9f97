package clone

import (
	"fmt"
	"os"
	"unsafe"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"

	"golang.org/x/sys/unix"
)

const (
	arenaSize = 64 << 10
	maxSteps  = 64
	stackSize = 64 << 10

	sysClone3 = 435 // for the assembly as well
)

// step is one call of the child. The assembly knows this layout by go_asm.h.
type step struct {
	fn   uintptr // a C function; 0 makes the step a system call
	nr   uintptr
	args [6]uintptr
	from uintptr // where to take args[0] from, if not 0
	ret  int64
	done uint64
}

// Program is what a child does, step by step, until it exits. A failing step
// does not stop it. The results become readable as the child gets on; a Program
// may be started again once its child is gone.
type Program struct {
	arena  []byte // MAP_SHARED: steps first, then everything they point at
	steps  []step
	n      int
	used   int
	stack  []byte
	mask   []byte // signal mask for Exec, filled in by Start
	ready  int    // eventfds of Pause, or -1
	resume int
	keep   []*Args
}

// NewProgram returns an empty program. Close frees it.
func NewProgram() (*Program, error) {
	arena, err := unix.Mmap(-1, 0, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map a program: %w", err)
	}
	stack, err := unix.Mmap(-1, 0, stackSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map a stack: %w", err)
	}
	p := &Program{
		arena:  arena,
		steps:  unsafe.Slice((*step)(unsafe.Pointer(&arena[0])), maxSteps),
		used:   maxSteps * int(unsafe.Sizeof(step{})),
		stack:  stack,
		ready:  -1,
		resume: -1,
	}
	p.mask = p.alloc(abi.SigsetSize)
	return p, nil
}

// Close frees the program and its results.
func (p *Program) Close() error {
	for _, fd := range []int{p.ready, p.resume} {
		if fd >= 0 {
			unix.Close(fd) // an eventfd has nothing left to lose
		}
	}
	if err := unix.Munmap(p.stack); err != nil {
		return fmt.Errorf("unmap a stack: %w", err)
	}
	if err := unix.Munmap(p.arena); err != nil {
		return fmt.Errorf("unmap a program: %w", err)
	}
	return nil
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
			panic(err) // no kernel that these tests run on is without them
		}
		s.fn = entry
	}
	return p.add(s)
}

// Alloc returns a zeroed T in memory that the child shares, for Addr.
func Alloc[T any](p *Program) *T {
	var t T
	return (*T)(unsafe.Pointer(unsafe.SliceData(p.alloc(int(unsafe.Sizeof(t))))))
}

// Addr returns the address of what Alloc returned, as an argument of a call.
func Addr[T any](t *T) uintptr { return uintptr(unsafe.Pointer(t)) }

// On adds a system call whose first argument is the result of an earlier step,
// such as a file descriptor.
func (p *Program) On(first Result, nr uintptr, rest ...uintptr) Result {
	s := step{nr: nr, from: uintptr(unsafe.Pointer(&first.step.ret))}
	copy(s.args[1:], rest)
	return p.add(s)
}

// ClockGettime adds the reading of a clock.
func (p *Program) ClockGettime(id clock.ID, via clock.Via) Reading {
	ts := Alloc[abi.Timespec](p)
	nr := via.Width().Nr(abi.ClockGettime)
	return Reading{p.Call(via, via.Gettime(), nr, uintptr(id), Addr(ts)), via, ts}
}

// ReadFile adds the reading of a small file in one read().
func (p *Program) ReadFile(path string) Contents {
	buf := p.alloc(512)
	open := p.Open(path, unix.O_RDONLY)
	read := p.On(open, unix.SYS_READ, addr(buf), uintptr(len(buf)))
	p.On(open, unix.SYS_CLOSE)
	return Contents{open, read, buf}
}

// ReadLink adds the reading of a symbolic link.
func (p *Program) ReadLink(path string) Contents {
	buf := p.alloc(64)
	read := p.Syscall(unix.SYS_READLINK, p.str(path), addr(buf), uintptr(len(buf)))
	return Contents{read, read, buf}
}

// WriteFile adds the writing of a file in one write().
func (p *Program) WriteFile(path, text string) Written {
	open := p.Open(path, unix.O_WRONLY)
	write := p.On(open, unix.SYS_WRITE, p.str(text), uintptr(len(text)))
	p.On(open, unix.SYS_CLOSE)
	return Written{open, write}
}

// Setns adds entering the namespace behind path.
func (p *Program) Setns(path string, flags int) Written {
	open := p.Open(path, unix.O_RDONLY)
	setns := p.On(open, unix.SYS_SETNS, uintptr(flags))
	p.On(open, unix.SYS_CLOSE)
	return Written{open, setns}
}

// Clone3 adds a clone3() of the child's own, which is expected to fail: if it
// does not, the grandchild goes on with the steps beside the child.
func (p *Program) Clone3(args *Args, size uintptr) Result {
	p.keep = append(p.keep, args)
	return p.Syscall(sysClone3, uintptr(unsafe.Pointer(args)), size)
}

// Pause adds a point where the child says that it is ready and waits to be
// resumed; see Child.Ready and Child.Resume.
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

// Exec adds becoming another program, with an empty environment and, unless it
// is nil, stdout as its standard output. Nothing may follow.
func (p *Program) Exec(path string, argv []string, stdout *os.File) Result {
	if stdout != nil {
		p.Syscall(unix.SYS_DUP3, stdout.Fd(), 1, 0)
	}
	p.Syscall(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, addr(p.mask), 0, abi.SigsetSize)
	const word = unsafe.Sizeof(uintptr(0))
	mem := p.alloc(int(word) * (len(argv) + 1))
	vector := unsafe.Slice((*uintptr)(unsafe.Pointer(&mem[0])), len(argv)+1)
	for i, arg := range argv {
		vector[i] = p.str(arg)
	}
	exec := p.Syscall(unix.SYS_EXECVE, p.str(path), addr(mem), addr(mem)+word*uintptr(len(argv)))
	p.Exit(127)
	return exec
}

// TryExec adds an execve() that is expected to fail.
func (p *Program) TryExec(path string) Result {
	none := addr(p.alloc(8)) // an empty vector
	return p.Syscall(unix.SYS_EXECVE, p.str(path), none, none)
}

// Exit adds the end with a status. A program without one exits with 0.
func (p *Program) Exit(status int) {
	// Not exit_group(): in a thread that ought not to exist, it would end the tests.
	p.Syscall(unix.SYS_EXIT, uintptr(status))
}

// Open adds the opening of a file, whose descriptor execve() closes.
func (p *Program) Open(path string, flags int) Result {
	return p.Syscall(unix.SYS_OPEN, p.str(path), uintptr(flags)|unix.O_CLOEXEC, 0)
}

func (p *Program) add(s step) Result {
	if p.n == maxSteps-1 { // Start needs the last one
		panic("clone: program too long")
	}
	p.steps[p.n] = s
	p.n++
	return Result{&p.steps[p.n-1]}
}

// alloc returns zeroed shared memory, aligned for any kernel type.
func (p *Program) alloc(size int) []byte {
	start := (p.used + 15) &^ 15
	if start+size > arenaSize {
		panic("clone: program's data too large")
	}
	p.used = start + size
	return p.arena[start:p.used:p.used]
}

func (p *Program) str(s string) uintptr {
	buf := p.alloc(len(s) + 1)
	copy(buf, s)
	return addr(buf)
}

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
