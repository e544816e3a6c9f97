// Package kernel turns a source, a series of patches and a configuration into
// a vmlinux that is provably made of those three: it fetches the base, applies
// the series to a copy, configures, builds out of tree, and keeps the result in
// a cache addressed by everything that went into it.
package kernel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// UsageError is a mistake of the caller's: a series that does not exist, a
// patch that nobody listed. No kernel was touched.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// BuildError is a fault of the kernel under test: it does not apply, configure
// or compile, or it is no kernel for these tests.
type BuildError struct {
	Stage string // "apply", "configure", "build", "selftests" or "abi"
	Err   error
	Shown string // what the tool printed about it, at most some twenty lines
	Log   string // path of the tool's whole output, if there is one
}

func (e *BuildError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Stage, e.Err)
	if e.Shown != "" {
		fmt.Fprintf(&b, "\n%s", strings.TrimRight(e.Shown, "\n"))
	}
	if e.Log != "" {
		fmt.Fprintf(&b, "\nwhole log: %s", e.Log)
	}
	return b.String()
}
func (e *BuildError) Unwrap() error { return e.Err }

// Reporter is told what happens while it happens.
type Reporter interface {
	// Step says what begins now. Steps that cost nothing are not reported.
	Step(format string, args ...any)
	// Objects says how much of a build is done. Total is 0 where nobody knows.
	Objects(done, total int, name string)
}

// Cache is a folder shared by checkouts. It may be deleted at any time.
type Cache struct{ Dir string }

// DefaultCache is timens-vmtest in the user's cache folder ($XDG_CACHE_HOME,
// else ~/.cache).
func DefaultCache() (Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, fmt.Errorf("find the cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	if err := buildable(dir); err != nil {
		return Cache{}, fmt.Errorf("the cache folder: %w; set XDG_CACHE_HOME to another folder", err)
	}
	return Cache{filepath.Join(dir, "timens-vmtest")}, nil
}

// Lock takes the lock of that name, which guards what, and says so when it has
// to wait. The caller calls unlock. A wait ends with ctx.
func (c Cache) Lock(ctx context.Context, name, what string, r Reporter) (unlock func(), err error) {
	path := filepath.Join(c.Dir, "locks", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(path).Lock()
		got <- locked{unlock, err}
	}()
	patience := time.After(time.Second)
	for {
		select {
		case l := <-got:
			if l.err != nil {
				return nil, fmt.Errorf("lock the cache: %w", l.err)
			}
			return l.unlock, nil
		case <-patience:
			r.Step("waiting for another vmtest to finish with %s (its lock: %s)", what, path)
		case <-ctx.Done():
			go func() { // the lock may still be won: give it back
				if l := <-got; l.err == nil {
					l.unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// command is a child in a process group of its own, which ends as a whole when
// ctx does. Its environment is env and nothing of ours: MAKEFLAGS, ARCH,
// KCFLAGS or GIT_DIR of the caller would change what is built.
func command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"LC_ALL=C",
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"TMPDIR=" + os.TempDir(),
	}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // time for make to delete half-written targets
	return cmd
}

// run runs a short child and returns what it printed to standard output.
func run(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s is not installed; type \"make deps\"", cmd.Args[0])
	}
	tool, _, _ := strings.Cut(shown(cmd), " ")
	if full := diskFull(stderr.Bytes(), tool, cmd.Dir); err != nil && full != nil {
		return nil, full
	}
	if none := noSandbox(err, stderr.Bytes()); none != nil {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", shown(cmd), err, tail(stderr.Bytes(), 20))
	}
	return out, nil
}

// shown is what a command is, without the sandbox around it.
func shown(cmd *exec.Cmd) string {
	if cmd.Args[0] == SandboxName {
		return strings.Join(cmd.Args[2:], " ")
	}
	return strings.Join(cmd.Args, " ")
}

var diskFullRE = regexp.MustCompile(`(?m)^.*?(?:(/[^\s:'"]+)['"]?: ['"]?)?(No space left on device|Disk quota exceeded)[)'"]*$`)

// diskFull is the error that a tool's output tells of when it had no room to
// write to: no fault of what it was given. dir is where it wrote, unless the
// output says so.
func diskFull(output []byte, tool, dir string) error {
	m := diskFullRE.FindSubmatch(output)
	if m == nil {
		return nil
	}
	full := &fs.PathError{Op: tool + " in", Path: dir, Err: syscall.ENOSPC}
	if m[1] != nil {
		full.Path = string(m[1])
	}
	if string(m[2]) == "Disk quota exceeded" {
		full.Err = syscall.EDQUOT
	}
	return full
}

// tail is the last n lines of text.
func tail(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hash(f)
}

func hash(from io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
