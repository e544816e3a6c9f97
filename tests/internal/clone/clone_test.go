// SPDX-License-Identifier: BSD-3-Clause

package clone

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
)

const patience = 10 * time.Second

var fork = Args{ExitSignal: uint64(unix.SIGCHLD)}

func newProgram(t *testing.T) *Program {
	t.Helper()
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func run(t *testing.T, args *Args, p *Program) unix.WaitStatus {
	t.Helper()
	child, err := Start(args, SizeVer0, p)
	if err != nil {
		t.Fatalf("clone3: %v", err)
	}
	status, err := child.Wait(patience)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestChildReadsClocksInOrder(t *testing.T) {
	p := newProgram(t)
	var steps []Reading
	for range 8 {
		steps = append(steps, p.ClockGettime(clock.Monotonic, clock.VDSO), p.ClockGettime(clock.Monotonic, clock.Syscall))
	}
	last, err := clock.Read(clock.Monotonic, clock.VDSO)
	if err != nil {
		t.Fatal(err)
	}
	run(t, &fork, p)
	for i, step := range steps {
		now, err := step.Time()
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if now < last {
			t.Errorf("step %d read %v after %v", i, now, last)
		}
		last = now
	}
}

func TestKindsOfChildren(t *testing.T) {
	for name, args := range map[string]Args{
		"fork":   fork,
		"vfork":  {Flags: unix.CLONE_VM | unix.CLONE_VFORK, ExitSignal: uint64(unix.SIGCHLD)},
		"silent": {},
		"thread": {Flags: unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			pid := p.Syscall(unix.SYS_GETPID)
			run(t, &args, p)
			got, err := pid.Value()
			if thread := args.Flags&unix.CLONE_THREAD != 0; err != nil || (got == os.Getpid()) != thread {
				t.Errorf("getpid is %d, %v in the child and %d in the parent", got, err, os.Getpid())
			}
		})
	}
}

func TestFilesAndErrors(t *testing.T) {
	p := newProgram(t)
	good := p.ReadFile("/proc/self/comm")
	missing := p.ReadFile("/proc/self/nothing")
	forbidden := p.WriteFile("/proc/self/stat", "x")
	p.Exit(3)
	late := p.Syscall(unix.SYS_GETPID)
	if status := run(t, &fork, p); status.ExitStatus() != 3 {
		t.Errorf("exit status %d, want 3", status.ExitStatus())
	}
	if text, err := good.Text(); err != nil || text == "" {
		t.Errorf("comm is %q, %v", text, err)
	}
	if _, err := missing.Text(); err != unix.ENOENT {
		t.Errorf("missing file: %v, want %v", err, unix.ENOENT)
	}
	if err := forbidden.Err(); err == nil {
		t.Error("write to /proc/self/stat succeeded")
	}
	if err := late.Err(); err != ErrNotReached {
		t.Errorf("step after exit: %v, want %v", err, ErrNotReached)
	}
}

func TestPause(t *testing.T) {
	p := newProgram(t)
	before := p.Syscall(unix.SYS_GETPID)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	after := p.Syscall(unix.SYS_GETPID)
	child, err := Start(&fork, SizeVer0, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Ready(patience); err != nil {
		t.Error(err)
	}
	if err := before.Err(); err != nil {
		t.Errorf("step before the pause: %v", err)
	}
	if err := after.Err(); err != ErrNotReached {
		t.Errorf("step after the pause: %v, want %v", err, ErrNotReached)
	}
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	if _, err := child.Wait(patience); err != nil {
		t.Error(err)
	}
	if err := after.Err(); err != nil {
		t.Errorf("step after the pause, resumed: %v", err)
	}
}

func TestWaitKillsLateChild(t *testing.T) {
	p := newProgram(t)
	if err := p.Pause(); err != nil { // forever
		t.Fatal(err)
	}
	child, err := Start(&fork, SizeVer0, p)
	if err != nil {
		t.Fatal(err)
	}
	status, err := child.Wait(20 * time.Millisecond)
	if !errors.Is(err, ErrDeadline) || status.Signal() != unix.SIGKILL {
		t.Errorf("Wait: status %#x, %v, want SIGKILL, %v", int(status), err, ErrDeadline)
	}
}

func TestGone(t *testing.T) {
	p := newProgram(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	child, err := Start(&fork, SizeVer0, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Gone(20 * time.Millisecond); !errors.Is(err, ErrDeadline) {
		t.Errorf("Gone of a child that runs: %v, want %v", err, ErrDeadline)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(child.PID, &status, 0, nil); err != nil || status.Signal() != unix.SIGKILL {
		t.Errorf("after Gone the child's status is %#x, %v, want SIGKILL", int(status), err)
	}

	if child, err = Start(&fork, SizeVer0, newProgram(t)); err != nil {
		t.Fatal(err)
	}
	if err := child.Gone(10 * time.Second); err != nil {
		t.Errorf("Gone of a child that ends: %v", err)
	}
	if _, err := unix.Wait4(child.PID, &status, 0, nil); err != nil || status != 0 {
		t.Errorf("the status of a child that ends is %#x, %v, want 0", int(status), err)
	}
}

func TestStartRefused(t *testing.T) {
	p := newProgram(t)
	if _, err := Start(&fork, SizeVer0-1, p); err != unix.EINVAL {
		t.Errorf("Start: %v, want %v", err, unix.EINVAL)
	}
}

func TestExec(t *testing.T) {
	p := newProgram(t)
	missing := p.Exec("/nothing", []string{"nothing"}, nil)
	if status := run(t, &fork, p); status.ExitStatus() != 127 || missing.Err() != unix.ENOENT {
		t.Errorf("exit status %d, execve: %v", status.ExitStatus(), missing.Err())
	}
}

func TestExecEnvironment(t *testing.T) {
	const setting = "asyncpreemptoff=1"
	t.Setenv("GODEBUG", setting)
	stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	p := newProgram(t)
	exec := p.Exec("/usr/bin/env", []string{"env"}, stdout)
	if status := run(t, &fork, p); status != 0 {
		t.Fatalf("wait status %#x, execve: %v", int(status), exec.Err())
	}
	if got, err := os.ReadFile(stdout.Name()); err != nil || string(got) != "GODEBUG="+setting+"\n" {
		t.Errorf("environment %q, %v, want GODEBUG=%s alone", got, err, setting)
	}
}

func TestFork(t *testing.T) {
	inner := newProgram(t)
	parent, self := inner.Syscall(unix.SYS_GETPPID), inner.Syscall(unix.SYS_GETPID)
	inner.Exit(5)

	p := newProgram(t)
	pid := p.Syscall(unix.SYS_GETPID)
	pidfd := p.Word()
	args := fork
	args.Flags, args.Pidfd = unix.CLONE_PIDFD, pidfd.Int32()
	child := p.Fork(&args, SizeVer0, inner)
	ended := p.Wait(child)
	closed := p.On(pidfd, unix.SYS_CLOSE)
	none := p.Wait(p.Fork(&args, SizeVer0-1, inner))

	for range 2 { // a program can run again
		run(t, &fork, p)
		if err := closed.Err(); err != nil || pidfd.Value() < 3 {
			t.Errorf("close of pidfd %d: %v", pidfd.Value(), err)
		}
		for name, pair := range map[string][2]Result{"getppid": {parent, pid}, "getpid": {self, child}} {
			got, err1 := pair[0].Value()
			want, err2 := pair[1].Value()
			if err1 != nil || err2 != nil || got != want {
				t.Errorf("%s of the grandchild is %d, %v, want %d, %v", name, got, err1, want, err2)
			}
		}
		if status, err := ended.Status(); err != nil || status.ExitStatus() != 5 {
			t.Errorf("the grandchild's wait status is %#x, %v, want exit(5)", int(status), err)
		}
		if _, err := none.Status(); err != unix.ECHILD {
			t.Errorf("wait for a grandchild that was not made: %v, want %v", err, unix.ECHILD)
		}
	}
}

// A child made by fork() runs its own steps, and its parent the next one.
func TestOldFork(t *testing.T) {
	p := newProgram(t)
	inner := p.Sub()
	parent := inner.Syscall(unix.SYS_GETPPID)
	inner.Exit(7)
	pid := p.Syscall(unix.SYS_GETPID)
	ended := p.Wait(p.OldFork(inner))
	run(t, &fork, p)
	got, err1 := parent.Value()
	want, err2 := pid.Value()
	if err1 != nil || err2 != nil || got != want {
		t.Errorf("getppid of the grandchild is %d, %v, want %d, %v", got, err1, want, err2)
	}
	if status, err := ended.Status(); err != nil || status.ExitStatus() != 7 {
		t.Errorf("the grandchild ended with %v, %v, want exit status 7", status, err)
	}
}

// A slim child works like any other, with nearly no memory mapped.
func TestSlim(t *testing.T) {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	path := append([]byte("/dev/null"), 0)
	copy(page, path)

	p := newProgram(t)
	p.Slim()
	p.Keep(page)
	maps := p.ReadFileSize("/proc/self/maps", 4096)
	now := p.ClockGettime(clock.Monotonic, clock.VDSO)
	kept, lost := p.Syscall(unix.SYS_ACCESS, addr(page), 0), p.Syscall(unix.SYS_ACCESS, addr(path), 0)
	sub := p.Sub()
	inner := sub.ClockGettime(clock.Monotonic, clock.VDSO)
	child := p.Wait(p.Fork(&fork, SizeVer0, sub))
	run(t, &fork, p)
	for name, step := range map[string]Result{"vdso": now.Result, "kept memory": kept, "vdso of the grandchild": inner.Result, "wait": child.Result} {
		if err := step.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := lost.Err(); err != unix.EFAULT {
		t.Errorf("memory of the parent: %v, want %v", err, unix.EFAULT)
	}
	text, err := maps.Text()
	if lines := strings.Count(text, "\n"); err != nil || lines > 8 {
		t.Errorf("the child has %d mappings, %v:\n%s", lines, err, text)
	}
}

// A child has no page fault in memory that it has populated.
func TestPopulate(t *testing.T) {
	const pages, pageSize = 20, 4096
	for _, populate := range []bool{false, true} {
		p := newProgram(t)
		if populate {
			p.Populate()
		}
		var faults [2]*unix.Rusage
		for i := range faults {
			faults[i] = Alloc[unix.Rusage](p)
			p.Syscall(unix.SYS_GETRUSAGE, unix.RUSAGE_SELF, Addr(faults[i]))
			for range pages {
				p.Syscall(unix.SYS_GETCWD, addr(p.alloc(pageSize)), pageSize)
			}
		}
		if status := run(t, &fork, p); status != 0 {
			t.Errorf("wait status %#x", status)
		}
		if n := faults[1].Minflt - faults[0].Minflt; (n < pages/2) != populate {
			t.Errorf("populated %t: %d page faults for %d pages", populate, n, pages)
		}
	}
}

func TestReread(t *testing.T) {
	p := newProgram(t)
	file := p.Open("/proc/self/comm", unix.O_RDWR)
	var texts []Contents
	for _, name := range []string{"a", "bcd"} {
		p.On(file, unix.SYS_WRITE, p.Data([]byte(name)), uintptr(len(name)))
		texts = append(texts, p.Reread(file, 16))
	}
	descriptor := p.Word()
	descriptor.Set(-1)
	closed := p.On(descriptor, unix.SYS_CLOSE)
	run(t, &fork, p)
	for i, want := range []string{"a\n", "bcd\n"} {
		if got, err := texts[i].Text(); got != want || err != nil {
			t.Errorf("time %d: read %q, %v, want %q", i+1, got, err, want)
		}
	}
	if err := closed.Err(); err != unix.EBADF {
		t.Errorf("close(-1): %v", err)
	}
}
