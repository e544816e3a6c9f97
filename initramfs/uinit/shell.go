// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// runShell serves "vmtest shell" instead of running a plan.
func runShell(design, cloneFlags string) error {
	out, err := openRecords()
	if err != nil {
		return err
	}
	if err := checkMounts(); err != nil {
		return err
	}
	if err := protectShare(); err != nil {
		return err
	}
	trace, err := newRing()
	if err == nil {
		err = trace.start()
	}
	if err != nil {
		return err
	}
	env := []string{"HOME=/tmp", "TMPDIR=/tmp", "PATH=/bin", "GOTRACEBACK=all", wire.DesignEnv + "=" + design, wire.CloneFlagsEnv + "=" + cloneFlags}
	for name, param := range map[string]string{wire.LaneEnv: wire.LaneParam, wire.LongEnv: wire.LongParam} {
		value, err := bootParam(param)
		if err != nil {
			return err
		}
		env = append(env, name+"="+value)
	}
	return serve(out, wire.Frame{}, wire.TestDir, env)
}

// serve serves a shell, and returns when the machine may reset. ready says where the guest has
// stopped, if it is debugged.
func serve(out *records, ready wire.Frame, dir string, env []string) error {
	if err := mark(wire.ShellBegins); err != nil {
		return err
	}
	return errors.Join(ServeShell(out.tty, wire.ShellPath, ready, dir, env), mark(wire.ShellEnds), out.drain())
}

// protectShare makes the files that the host shares read-only. Programs could change only our
// copy of them, and should not believe to change the host's.
func protectShare() error {
	if _, err := os.Stat(wire.ShareDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := unix.Mount(wire.ShareDir, wire.ShareDir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", wire.ShareDir, err)
	}
	if err := unix.Mount("", wire.ShareDir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", wire.ShareDir, err)
	}
	return nil
}

// mark writes a line to the kernel's log, as an error, so that the console shows
// it. Lines of the kernel could overtake one that is written to the console.
func mark(text string) error {
	return os.WriteFile("/dev/kmsg", []byte("<3>"+text+"\n"), 0)
}

// ServeShell runs one command, or the shell if the host names none, in the
// folder dir. It begins with the frame ready, which
// may say where a guest has stopped. It passes its input and output to the host through port, and
// returns when the host knows how it ended.
func ServeShell(port io.ReadWriter, shell string, ready wire.Frame, dir string, env []string) error {
	s := &server{port: port, shell: shell, dir: dir, env: env}
	ready.Type = wire.FrameReady
	if err := s.send(ready); err != nil {
		return err
	}
	lines := bufio.NewReader(port)
	first, err := readFrame(lines)
	if err != nil {
		return err
	}
	code, err := s.run(first, lines)
	if err != nil {
		return errors.Join(err, s.send(wire.Frame{Type: wire.FrameTrouble, Text: err.Error()}))
	}
	return s.send(wire.Frame{Type: wire.FrameExit, Code: code})
}

// server is the guest's end of a shell.
type server struct {
	port  io.ReadWriter
	shell string
	dir   string
	env   []string

	mu sync.Mutex // of writes to port
}

func readFrame(lines *bufio.Reader) (wire.Frame, error) {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return wire.Frame{}, err
	}
	return wire.ParseFrame(line)
}

func (s *server) send(f wire.Frame) error {
	line, err := f.Line()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.port.Write(line)
	return err
}

// leftoverGrace is how long processes that a command leaves behind may still
// print.
const leftoverGrace = 500 * time.Millisecond

// run runs the command of a start frame to its end.
func (s *server) run(start wire.Frame, lines *bufio.Reader) (code int, err error) {
	if start.Type != wire.FrameStart {
		return 0, fmt.Errorf("the host begins with a frame %q, want %q", start.Type, wire.FrameStart)
	}
	cmd := exec.Command(s.shell)
	if len(start.Args) > 0 { // by the shell, so that its builtins are commands, too
		cmd.Args = append(cmd.Args, slices.Concat([]string{"-c", `"$@"`, "sh"}, start.Args)...)
	}
	cmd.Dir, cmd.WaitDelay = s.dir, leftoverGrace
	cmd.Env = append(slices.Clone(s.env), "SHELL="+s.shell, "TERM="+start.Term)
	// It ends with us. In the guest everything does, and in the tests of "vmtest shell",
	// where a program of the host stands for the guest, a loop would run for ever.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if start.Term != "" {
		return s.onTerminal(cmd, start, lines)
	}
	cmd.Stdout, cmd.Stderr = framed{s, wire.FrameStdout}, framed{s, wire.FrameStderr}
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	// The command has a session of its own, so that nothing that it does to
	// its process group ends us.
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go s.input(lines, in, nil)
	return exitCode(cmd.Wait())
}

// onTerminal runs cmd in a session of its own, whose terminal is a pseudo
// terminal. Ctrl-C thus reaches the foreground of that session only. Init and
// uinit have another terminal, on which nobody types.
func (s *server) onTerminal(cmd *exec.Cmd, start wire.Frame, lines *bufio.Reader) (code int, err error) {
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: start.Rows, Cols: start.Cols})
	if err != nil {
		return 0, err
	}
	defer master.Close()
	printed := make(chan error, 1)
	go func() {
		_, err := io.Copy(framed{s, wire.FrameStdout}, master) // ends with EIO when all have closed the terminal
		printed <- err
	}()
	go s.input(lines, master, master)
	code, err = exitCode(cmd.Wait())
	select {
	case <-printed:
	case <-time.After(leftoverGrace):
	}
	return code, err
}

// input passes on what the host sends, until the port ends. Once the command
// reads no more, its input is dropped. Bytes for a full terminal wait in a
// goroutine, so that other frames do not wait for them.
func (s *server) input(lines *bufio.Reader, in io.WriteCloser, terminal *os.File) {
	typed := make(chan wire.Frame, 1) // the host sends the next input when this one is taken
	go func() {
		for f := range typed {
			if f.Type == wire.FrameEnd {
				_ = in.Close() // it may have ended already
				continue
			}
			_, _ = in.Write(f.Data)
			if s.send(wire.Frame{Type: wire.FrameTaken}) != nil {
				return // the port has ended
			}
		}
	}()
	defer close(typed)
	for {
		f, err := readFrame(lines)
		if err != nil {
			return
		}
		switch {
		case f.Type == wire.FrameInput, f.Type == wire.FrameEnd && terminal == nil:
			typed <- f
		case f.Type == wire.FrameSize && terminal != nil:
			// It may have ended already.
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: f.Rows, Cols: f.Cols})
		case f.Type == wire.FrameRedraw && terminal != nil:
			redraw(terminal)
		}
	}
}

// redraw asks the program in the foreground to draw its line again. A program
// without such a line ignores the signal.
func redraw(terminal *os.File) {
	if group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP); err == nil && group > 0 {
		_ = unix.Kill(-group, unix.SIGWINCH) // it may have ended already
	}
}

// framed sends what is written to it as frames of one type.
type framed struct {
	s         *server
	frameType string
}

func (w framed) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), wire.FrameDataLimit)
		if err := w.s.send(wire.Frame{Type: w.frameType, Data: rest[:n]}); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// exitCode turns the error of Wait into a shell's exit code.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return exit.ExitCode(), nil
	case errors.Is(err, exec.ErrWaitDelay): // a process that it left behind still has its output open
		return 0, nil
	}
	return 0, err
}
