// SPDX-License-Identifier: BSD-3-Clause

// Package sandbox runs commands. A command that runs code of a series, such as make, is
// confined: it has no network, and it can write only to the folders that it is given.
package sandbox

import (
	"bytes"
	"cmp"
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

	"timens-vmtest/internal/cache"
)

// A series is somebody else's code, and parts of it run when the kernel is built. So
// the commands that apply and build a series run in namespaces of their own. They have
// no network, they do not see the user's files and processes, and they can write only
// to the folders that they are given.

// Name is the os.Args[0] of a process that has to enter the sandbox. A program that
// uses this package starts itself under that name, and its main function calls Enter
// when it finds the name.
const Name = "vmtest-sandbox"

// Box says whether commands that run code of a series are confined. The zero value
// confines them.
type Box struct {
	Off    bool   // do not confine: commands may do all that the user may do
	Limits Limits // what each confined command may use
}

// Place is where a command runs, and what it sees.
type Place struct {
	Dir      string   // working folder; it is in one of the folders below
	Readable []string // folders that it sees, besides those of the system
	Writable []string // folders that it may write to; the first also holds its temporary files
	Env      []string // environment, besides LC_ALL, PATH, HOME and TMPDIR
	Programs []string // paths of programs that it runs, wherever they are; see shownFor

	// At has the paths at which the command sees folders of Readable and Writable that
	// are not at their own paths. Dir is a path as the command sees it. A Box that is
	// Off cannot show a folder elsewhere: At must be nil then.
	At map[string]string
}

// Error says why this system cannot confine commands. Err has the reason, and the
// command that mends it if there is one.
type Error struct{ Err error }

// Error returns the message.
func (e *Error) Error() string {
	return fmt.Sprintf("this system cannot confine what a series runs when it is built: %v", e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// noSandbox returns an Error if a command failed because it could not enter the
// sandbox, and nil otherwise.
func noSandbox(err error, output []byte) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitNoSandbox {
		return &Error{errors.New(Tail(output, 20))}
	}
	return nil
}

// confinement tells a process that enters the sandbox what to mount. It is passed as
// JSON in the first argument.
type confinement struct {
	Root     string   // an empty folder; the new root is mounted on it
	Readable []string // folders to show besides systemFolders
	Programs []string // programs, or links to them, in none of these folders
	Writable []string
	At       map[string]string // where such folders are shown; others are at their own paths
	Dir      string
	Limits   Limits
}

// at returns the path at which the command sees a path of the host.
func (c confinement) at(path string) string { return cmp.Or(c.At[path], path) }

// systemFolders hold the tools. Those that do not exist are left out.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix", "/gnu"}

// nobody is the user and the group of a command in the sandbox, in its own eyes. No
// program takes the command for root, and nothing in the sandbox names the caller. What
// the command writes belongs to the caller: an unprivileged user can give files to
// nobody else, and vmtest has to read and remove them. For the same reason the command
// has no other user behind it if the caller is root: each folder that it writes to
// would have to be given away and taken back.
//
// The kernel shows the files of all users that have no number in the sandbox as files of
// 65534, so to git everything that it reads belongs to the user that it runs as.
const nobody = 65534

// firstProcess is a shell script that runs its arguments as a command and exits with
// the command's status. The status is 128 plus the number of the signal if a signal
// ended the command. The script is the first process of the PID namespace, because the
// first process cannot end itself by a signal. make does that when it is told to end:
// as the first process, make would never end.
const firstProcess = `trap : HUP INT TERM; "$@"; exit $?`

// EndedBy returns the signal that ended a command, and 0 if none did. It also works for
// a command in the sandbox, whose exit status is 128 plus the signal.
func EndedBy(s *os.ProcessState) syscall.Signal {
	switch w := s.Sys().(syscall.WaitStatus); {
	case w.Signaled():
		return w.Signal()
	case w.ExitStatus() > 128:
		return syscall.Signal(w.ExitStatus() - 128)
	}
	return 0
}

// Command returns a command that sees only the system's folders, those on PATH and those of the place.
// If b.Off is set, the command sees what the user sees, and nothing is bounded. The caller runs the command,
// and calls release when it has ended. A tool that is not installed is an error.
func (b Box) Command(ctx context.Context, at Place, name string, args ...string) (cmd *Cmd, release func() error, err error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil, fmt.Errorf("%s is not installed; type \"make deps\"", name)
	}
	if err != nil {
		return nil, nil, err
	}
	if b.Off {
		if at.At != nil {
			return nil, nil, errors.New("without a sandbox no folder can be shown at another path")
		}
		return &Cmd{Cmd: Command(ctx, at.Dir, at.Env, name, args...)}, func() error { return nil }, nil
	}
	limits, err := b.Limits.orDefaults()
	if err != nil {
		return nil, nil, err
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
		return cache.RemoveAll(tmp)
	}
	folders, programs := shownFor(at.Programs)
	c := confinement{Root: root, Readable: slices.Concat(at.Readable, folders), Programs: programs, Writable: at.Writable, At: at.At, Dir: at.Dir, Limits: limits}
	shown := tmp
	if len(at.Writable) > 0 {
		shown = filepath.Join(c.at(at.Writable[0]), ".tmp")
	}
	within, err := enter(ctx, c, append(at.Env, "TMPDIR="+shown, "HOME="+shown), append([]string{path}, args...)...)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return &Cmd{Cmd: within, limits: limits, writable: at.Writable, confined: true}, release, nil
}

// Run runs a command at a place and returns its standard output. Its errors are those
// of the function Run.
func (b Box) Run(ctx context.Context, at Place, name string, args ...string) ([]byte, error) {
	cmd, release, err := b.Command(ctx, at, name, args...)
	if err != nil {
		return nil, err
	}
	out, err := RunConfined(cmd)
	return out, errors.Join(err, release())
}

// Output runs a command at a place and returns its standard output and standard error.
// It returns them also if the command fails, which is an exec.ExitError.
func (b Box) Output(ctx context.Context, at Place, name string, args ...string) ([]byte, error) {
	cmd, release, err := b.Command(ctx, at, name, args...)
	if err != nil {
		return nil, err
	}
	return CombinedOutput(cmd, release)
}

// CombinedOutput runs a command that Box.Command returned, calls release, and returns
// the command's standard output and standard error. It returns them also with an error.
// If the command could not enter the sandbox, the error is an Error.
func CombinedOutput(cmd *Cmd, release func() error) ([]byte, error) {
	out, err := cmd.CombinedOutput()
	if none := noSandbox(err, out); none != nil {
		err = none
	}
	if rerr := release(); rerr != nil {
		err = rerr
	}
	return out, err
}

// enter returns a command that starts this program again in new namespaces. There the
// program enters the sandbox and executes cmdline. If cmdline is empty, it exits.
func enter(ctx context.Context, c confinement, env []string, cmdline ...string) (*exec.Cmd, error) {
	if os.Args[0] == Name { // it would start itself again and again
		return nil, errors.New("the main function of this program does not call sandbox.Enter, as each program must that uses package sandbox; a test binary does it in TestMain")
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := Command(ctx, "/", env, "/proc/self/exe", append([]string{string(text)}, cmdline...)...)
	cmd.Args[0] = Name
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	// The first process of a PID namespace gets only SIGKILL and the signals that it
	// has handlers for. A program that has just begun has no handlers.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP} // for the new namespaces only; Enter gives them up before the command runs
	return cmd, nil
}

// Try enters the sandbox and leaves it again. It returns an Error if this system cannot
// confine commands.
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

// whyNoNamespaces looks at the settings that usually forbid user namespaces, and says
// which one does and what to type.
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
	return "this is a container, or a kernel, without user namespaces; Docker allows them with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
}
