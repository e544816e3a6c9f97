// SPDX-License-Identifier: BSD-3-Clause

// Package sandbox runs commands, and those that a series has a say in apart from all
// else: without network, with nothing to write to but the folders that they are to
// write to.
package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A series is code of somebody else's that runs when it is built. What applies
// and builds it therefore runs in namespaces of its own: no network, none of
// the user's files and processes, and nothing that it can write to but the
// folders that it is to write to.

// Name is the name under which a program that uses this package starts
// itself to enter the sandbox: its main calls Enter when os.Args[0] is
// this.
const Name = "vmtest-sandbox"

// Box says how commands run that a series has a say in. Its zero value
// confines them.
type Box struct {
	Off bool // they may do all that the user may do
}

// Place is where a command runs, and what it sees.
type Place struct {
	Dir      string   // its working folder; in one of the others
	Readable []string // what it sees beside the system's folders
	Writable []string // what it may write to; the first holds its temporary files, too
	Env      []string // beside LC_ALL, PATH, HOME and TMPDIR
}

// Error says why there can be no sandbox here.
type Error struct{ Err error }

func (e *Error) Error() string {
	return fmt.Sprintf("this system cannot confine what a series runs when it is built: %v", e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// noSandbox is the Error of a command that ended so, and nil of all others.
func noSandbox(err error, output []byte) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitNoSandbox {
		return &Error{errors.New(Tail(output, 20))}
	}
	return nil
}

// confinement is what is told to the process that enters the sandbox.
type confinement struct {
	Root     string   // an empty folder, which the new root is mounted on
	Readable []string // what is needed beside systemFolders
	Writable []string
	Dir      string
}

// systemFolders hold the tools. What does not exist is left out.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu"}

// firstProcess is a shell script that runs its arguments and ends as they do,
// with 128 and the number of the signal if one ended them. It stands between
// the sandbox and its command because the first process of a PID namespace
// cannot end itself by a signal: make, which does that when it is told to end,
// would stay for ever.
const firstProcess = `trap : HUP INT TERM; "$@"; exit $?`

// EndedBy returns the signal that ended a command, in the sandbox or not, or 0.
func EndedBy(s *os.ProcessState) syscall.Signal {
	switch w := s.Sys().(syscall.WaitStatus); {
	case w.Signaled():
		return w.Signal()
	case w.ExitStatus() > 128:
		return syscall.Signal(w.ExitStatus() - 128)
	}
	return 0
}

// Command is a command that sees the system's folders and those of the place, and
// nothing else. The caller calls release when it has ended.
func (b Box) Command(ctx context.Context, at Place, name string, args ...string) (cmd *exec.Cmd, release func() error, err error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil, fmt.Errorf("%s is not installed; type \"make deps\"", name)
	}
	if err != nil {
		return nil, nil, err
	}
	if b.Off {
		return Command(ctx, at.Dir, at.Env, name, args...), func() error { return nil }, nil
	}
	tmp := os.DevNull
	if len(at.Writable) > 0 {
		tmp = filepath.Join(at.Writable[0], ".tmp")
		if err := os.MkdirAll(tmp, 0o755); err != nil {
			return nil, nil, err
		}
	}
	root, err := os.MkdirTemp("", "vmtest-root-")
	if err != nil {
		return nil, nil, err
	}
	release = func() error {
		if err := os.Remove(root); err != nil || len(at.Writable) == 0 {
			return err
		}
		return os.RemoveAll(tmp)
	}
	cmd, err = enter(ctx, confinement{Root: root, Readable: slices.Concat(at.Readable, strangePaths()), Writable: at.Writable, Dir: at.Dir},
		append(at.Env, "TMPDIR="+tmp, "HOME="+tmp), append([]string{path}, args...)...)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return cmd, release, nil
}

// Run runs a command and returns its standard output.
func (b Box) Run(ctx context.Context, at Place, name string, args ...string) ([]byte, error) {
	cmd, release, err := b.Command(ctx, at, name, args...)
	if err != nil {
		return nil, err
	}
	out, err := Run(cmd)
	return out, errors.Join(err, release())
}

// Output returns all that a command prints, also beside an exec.ExitError.
func (b Box) Output(ctx context.Context, at Place, name string, args ...string) ([]byte, error) {
	cmd, release, err := b.Command(ctx, at, name, args...)
	if err != nil {
		return nil, err
	}
	return CombinedOutput(cmd, release)
}

// CombinedOutput returns all that a command of a sandbox prints.
func CombinedOutput(cmd *exec.Cmd, release func() error) ([]byte, error) {
	out, err := cmd.CombinedOutput()
	if none := noSandbox(err, out); none != nil {
		err = none
	}
	if rerr := release(); rerr != nil {
		err = rerr
	}
	return out, err
}

// strangePaths are the folders on PATH that systemFolders do not hold.
func strangePaths() []string {
	var strange []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) || slices.ContainsFunc(systemFolders, func(s string) bool { return below(dir, s) }) {
			continue
		}
		if _, err := os.Stat(dir); err == nil {
			strange = append(strange, filepath.Clean(dir))
		}
	}
	return strange
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// enter starts this program again, in new namespaces, where it becomes the
// command; without one it ends.
func enter(ctx context.Context, c confinement, env []string, cmdline ...string) (*exec.Cmd, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := Command(ctx, "/", env, "/proc/self/exe", append([]string{string(text)}, cmdline...)...)
	cmd.Args[0] = Name
	uid, gid := os.Getuid(), os.Getgid()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	// The first process of a PID namespace gets no other signal that it has no
	// handler for, and a program that has just begun has none.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP} // over the new namespaces; given up before Command
	return cmd, nil
}

// Try enters the sandbox and leaves it again. A Error says what
// is missing.
func Try(ctx context.Context) error {
	root, err := os.MkdirTemp("", "vmtest-root-")
	if err != nil {
		return err
	}
	defer os.Remove(root)
	cmd, err := enter(ctx, confinement{Root: root, Dir: "/"}, nil)
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if text := bytes.TrimSpace(out); len(text) > 0 {
		return &Error{errors.New(string(text))}
	}
	return &Error{fmt.Errorf("no namespaces can be made (%v): %s", err, whyNoNamespaces())}
}

// whyNoNamespaces looks at what usually forbids them.
func whyNoNamespaces() string {
	for _, knob := range []struct{ file, bad, cure string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "type \"sudo sysctl kernel.unprivileged_userns_clone=1\""},
		{"/proc/sys/user/max_user_namespaces", "0", "type \"sudo sysctl user.max_user_namespaces=10000\""},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "type \"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0\""},
	} {
		if text, err := os.ReadFile(knob.file); err == nil && strings.TrimSpace(string(text)) == knob.bad {
			return fmt.Sprintf("%s is %s; %s", knob.file, knob.bad, knob.cure)
		}
	}
	return "this is a container, or a kernel, without user namespaces; of Docker they are had by --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
}
