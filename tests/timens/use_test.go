// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// inside adds steps to a child. All of them have to succeed.
type inside func(p *clone.Program) steps

func unshareInside(p *clone.Program) steps {
	return steps{"unshare": p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)}
}

func enterInside(p *clone.Program) steps {
	return steps{"setns": p.Setns(children, unix.CLONE_NEWTIME)}
}

func readInside(p *clone.Program) steps {
	file := p.Open(offsetsFile, unix.O_RDONLY)
	return steps{"open": file, "read": p.On(file, unix.SYS_READ, p.Word().Addr(), 8)}
}

func forkInside(p *clone.Program) steps {
	fork := p.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, p.Sub())
	return steps{"fork": fork, "wait": p.Wait(fork)}
}

func openInside(p *clone.Program) steps {
	return steps{"open": p.Open(children, unix.O_RDONLY), "open again": p.Open(children, unix.O_RDONLY)}
}

// getInside opens the namespaces of the child by its pidfd.
func getInside(p *clone.Program) steps {
	pid := p.Syscall(unix.SYS_GETPID)
	pidfd := p.On(pid, unix.SYS_PIDFD_OPEN, 0)
	return steps{
		"getpid": pid, "pidfd_open": pidfd,
		"PIDFD_GET_TIME_NAMESPACE":              p.On(pidfd, unix.SYS_IOCTL, pidfdGetTime, 0),
		"PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE": p.On(pidfd, unix.SYS_IOCTL, pidfdGetTimeForChildren, 0),
	}
}

func writeInside(p *clone.Program) steps {
	return steps{"write": p.WriteFile(offsetsFile, timens.Across.String())}
}

func dropTimeInside(p *clone.Program) steps {
	return steps{"capset": capability.LoseInside(p, unix.CAP_SYS_TIME)}
}

// refuseInside adds a write to the offsets file, which has to fail.
func refuseInside(text string, want error) inside {
	return func(p *clone.Program) steps {
		return steps{"write": failing{p.WriteFile(offsetsFile, text), want}}
	}
}

// failing is a step that has to fail with one error.
type failing struct {
	step clone.Written
	want error
}

func (f failing) Err() error {
	if err := f.step.Err(); err != f.want {
		return fmt.Errorf("%v, want %v", err, f.want)
	}
	return nil
}

// use starts a child that does some steps, and waits for its end.
func use(launch clone.Launcher, adds ...inside) error {
	p, err := clone.NewProgram()
	if err != nil {
		return err
	}
	defer p.Close()
	var all []steps
	for _, add := range adds {
		all = append(all, add(p))
	}
	child, err := launch(p)
	if err != nil {
		return fmt.Errorf("start a child: %w", err)
	}
	status, err := child.Wait(timens.Patience)
	if err != nil {
		return err
	}
	if status != 0 {
		return fmt.Errorf("the child's wait status is %#x, want exit(0)", int(status))
	}
	for _, steps := range all {
		for what, step := range steps {
			if err := step.Err(); err != nil {
				return fmt.Errorf("%s in the child: %w", what, err)
			}
		}
	}
	return nil
}

// useExec is use for a child that then executes another program.
func useExec(launch clone.Launcher, adds ...inside) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	exec := func(p *clone.Program) steps {
		p.Exec("/proc/self/exe", []string{os.Args[0], "probe:place", "null"}, null)
		return nil
	}
	return use(launch, append(adds, exec)...)
}

// withPending is a launcher on a thread that has unshared a namespace.
func withPending(launch clone.Launcher) clone.Launcher {
	return func(p *clone.Program) (*clone.Child, error) {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return nil, err
		}
		return launch(p)
	}
}

// newTime is a launcher into a new time namespace.
func newTime(flags uint64) clone.Launcher { return launcher(unix.CLONE_NEWTIME|flags, unix.SIGCHLD) }

func withFlags(flags uint64) *clone.Args {
	return &clone.Args{Flags: unix.CLONE_NEWTIME | flags, ExitSignal: uint64(unix.SIGCHLD)}
}

func withPID(pid int32) *clone.Args {
	args := withFlags(0)
	args.SetTID, args.SetTIDSize = &pid, 1
	return args
}

func intoNoCgroup() *clone.Args {
	args := withFlags(unix.CLONE_INTO_CGROUP)
	args.Cgroup = 1 << 20 // not an open descriptor
	return args
}

// refused checks that clone3() fails with the error want.
func refused(args *clone.Args, want error) error {
	p, err := clone.NewProgram()
	if err != nil {
		return err
	}
	defer p.Close()
	child, err := clone.Start(args, clone.SizeVer2, p)
	if err == nil {
		_, err = child.Wait(timens.Patience)
		return errors.Join(errors.New("clone3 succeeded"), err)
	}
	if err != want {
		return fmt.Errorf("clone3: %v, want %v", err, want)
	}
	return nil
}

// refusedWithoutDescriptors fails because there is no descriptor left for the
// pidfd.
func refusedWithoutDescriptors() error {
	var before unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		return err
	}
	none := before
	none.Cur = 0
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &none, nil); err != nil {
		return err
	}
	args, fd := withFlags(unix.CLONE_PIDFD), int32(0)
	args.Pidfd = &fd
	err := refused(args, unix.EMFILE)
	return errors.Join(err, unix.Prlimit(0, unix.RLIMIT_NOFILE, &before, nil))
}

// refusedOverLimit makes as many namespaces as fit and asks for one more.
func refusedOverLimit() error {
	for range room {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return err
		}
		ns, err := os.Open(pendingLink)
		if err != nil {
			return err
		}
		defer ns.Close()
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != unix.ENOSPC {
		return fmt.Errorf("unshare over the limit: %v, want %v", err, unix.ENOSPC)
	}
	return refused(withFlags(0), unix.ENOSPC)
}

// refusedWithUTS fails before the time namespace is made, at the limit of UTS
// namespaces.
func refusedWithUTS() error {
	if err := os.WriteFile("/proc/sys/user/max_uts_namespaces", []byte("0"), 0); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME | unix.CLONE_NEWUTS); err != unix.ENOSPC {
		return fmt.Errorf("unshare without room for UTS: %v, want %v", err, unix.ENOSPC)
	}
	return refused(withFlags(unix.CLONE_NEWUTS), unix.ENOSPC)
}

// refusedSetns fails because the probe has threads.
func refusedSetns() error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return err
	}
	ns, err := os.Open(pendingLink)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWTIME); err != unix.EUSERS {
		return fmt.Errorf("setns in a process with threads: %v, want %v", err, unix.EUSERS)
	}
	return nil
}

// refusedPending fails to make a child that would have entered the pending
// namespace.
func refusedPending() error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return err
	}
	args := withPID(1)
	args.Flags = 0
	return refused(args, unix.EEXIST)
}
