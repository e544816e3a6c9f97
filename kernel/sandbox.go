package kernel

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

// SandboxName is the name under which a program that uses this package starts
// itself to enter the sandbox: its main calls EnterSandbox when os.Args[0] is
// this.
const SandboxName = "vmtest-sandbox"

// unconfined is the key of a context whose children run without a sandbox.
type unconfined struct{}

// Unconfined returns a context in which series are applied and built with all
// that the user may do.
func Unconfined(ctx context.Context) context.Context {
	return context.WithValue(ctx, unconfined{}, true)
}

// SandboxError says why there can be no sandbox here.
type SandboxError struct{ Err error }

func (e *SandboxError) Error() string {
	return fmt.Sprintf("this system cannot confine what a series runs when it is built: %v", e.Err)
}
func (e *SandboxError) Unwrap() error { return e.Err }

// noSandbox is the SandboxError of a command that ended so, and nil of all others.
func noSandbox(err error, output []byte) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitNoSandbox {
		return &SandboxError{errors.New(tail(output, 20))}
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

// endedBy returns the signal that ended a command, in the sandbox or not, or 0.
func endedBy(s *os.ProcessState) syscall.Signal {
	switch w := s.Sys().(syscall.WaitStatus); {
	case w.Signaled():
		return w.Signal()
	case w.ExitStatus() > 128:
		return syscall.Signal(w.ExitStatus() - 128)
	}
	return 0
}

// confined is command in the sandbox, unless ctx is Unconfined. It sees the
// system's folders and readable, and writes to writable alone, the first of which
// holds its temporary files too. dir is in one of them. The caller calls release when the
// command has ended.
func confined(ctx context.Context, dir string, readable, writable []string, env []string, name string, args ...string) (cmd *exec.Cmd, release func() error, err error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil, fmt.Errorf("%s is not installed; type \"make deps\"", name)
	}
	if err != nil {
		return nil, nil, err
	}
	if ctx.Value(unconfined{}) != nil {
		return command(ctx, dir, env, name, args...), func() error { return nil }, nil
	}
	tmp := os.DevNull
	if len(writable) > 0 {
		tmp = filepath.Join(writable[0], ".tmp")
		if err := os.MkdirAll(tmp, 0o755); err != nil {
			return nil, nil, err
		}
	}
	root, err := os.MkdirTemp("", "vmtest-root-")
	if err != nil {
		return nil, nil, err
	}
	release = func() error {
		if err := os.Remove(root); err != nil || len(writable) == 0 {
			return err
		}
		return os.RemoveAll(tmp)
	}
	cmd, err = enter(ctx, confinement{Root: root, Readable: slices.Concat(readable, strangePaths()), Writable: writable, Dir: dir},
		append(env, "TMPDIR="+tmp, "HOME="+tmp), append([]string{path}, args...)...)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return cmd, release, nil
}

// runConfined is run of a confined command.
func runConfined(ctx context.Context, dir string, readable, writable []string, env []string, name string, args ...string) ([]byte, error) {
	cmd, release, err := confined(ctx, dir, readable, writable, env, name, args...)
	if err != nil {
		return nil, err
	}
	out, err := run(cmd)
	return out, errors.Join(err, release())
}

// confinedOutput returns all that a confined command prints, also beside an
// exec.ExitError.
func confinedOutput(ctx context.Context, dir string, readable, writable []string, env []string, name string, args ...string) ([]byte, error) {
	cmd, release, err := confined(ctx, dir, readable, writable, env, name, args...)
	if err != nil {
		return nil, err
	}
	return combinedOutput(cmd, release)
}

// combinedOutput is confinedOutput of a command that confined made.
func combinedOutput(cmd *exec.Cmd, release func() error) ([]byte, error) {
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
	cmd := command(ctx, "/", env, "/proc/self/exe", append([]string{string(text)}, cmdline...)...)
	cmd.Args[0] = SandboxName
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

// TrySandbox enters the sandbox and leaves it again. A SandboxError says what
// is missing.
func TrySandbox(ctx context.Context) error {
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
		return &SandboxError{errors.New(string(text))}
	}
	return &SandboxError{fmt.Errorf("no namespaces can be made (%v): %s", err, whyNoNamespaces())}
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
