// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"timens-vmtest/internal/wire"
)

// Known returns KVM if ChooseAccel has already proved it on this host, or else
// TCG. A guest with a shell sends no record hello, so it cannot prove KVM.
func Known(g Guest, memory string) string {
	file, err := memoryFile(memory, g.QEMU)
	if err != nil {
		return TCG
	}
	if works, known, err := recall(file); err != nil || !known || !works {
		return TCG
	}
	return KVM
}

// Session is one use of a guest's shell.
type Session struct {
	Args []string // command with its arguments; none: the shell itself
	In   *os.File
	Out  io.Writer
	Err  io.Writer     // the command's standard error, and what the kernel says
	Dir  string        // takes the console and QEMU's output
	Boot time.Duration // from QEMU's start until the shell is there

	// Welcome is called before the first prompt at a terminal.
	Welcome func()
}

// EndedError says that a guest ended before its shell did.
type EndedError struct {
	Why     string   // the kernel's panic, or else how QEMU ended and what it printed
	Tail    []string // last lines of a console that was not shown
	Console string   // path of the whole console
}

func (e *EndedError) Error() string {
	return strings.Join(slices.Concat([]string{"the guest ended before its shell: " + e.Why}, e.Tail, []string{"whole console: " + e.Console}), "\n")
}

// resetGrace is how long a guest may take to reset after its shell has ended.
const resetGrace = 10 * time.Second

// Shell boots g, which has an archive for a shell, and connects the shell or
// one command to the session. It returns the command's exit code. A session
// without a command whose In is a terminal gets a terminal in the guest, and
// its code is always 0: the user has seen what failed.
func Shell(ctx context.Context, g Guest, s Session) (code int, err error) {
	if err := g.fits(); err != nil {
		return 0, err
	}
	opts, err := g.options("shell", "loglevel=4")
	if err != nil {
		return 0, err
	}
	p, err := newPorts(opts)
	defer p.close()
	if err != nil {
		return 0, err
	}
	log, err := newQEMULog(filepath.Join(s.Dir, wire.QEMUFile))
	if err != nil {
		return 0, err
	}
	opts.SerialOutput = append(opts.SerialOutput, log) // Wait closes it
	// QEMU must end only when we end it, so that the terminal is restored first.
	qctx, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	runtime.LockOSThread() // QEMU is killed when the thread that started it ends
	defer runtime.UnlockOSThread()
	qemu, err := opts.Start(qctx)
	if err != nil {
		return 0, err
	}
	c := &conversation{Session: s, ports: p, terminal: len(s.Args) == 0 && term.IsTerminal(int(s.In.Fd()))}
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	if err = p.handOver(); err == nil {
		err = c.hold(ctx)
	}
	if c.terminal && c.partial { // the host's shell begins on a new line
		_, werr := io.WriteString(c.Out, "\r\n")
		err = errors.Join(err, werr)
	}
	c.restore()
	var werr error
	if err == nil && c.code == nil { // QEMU ends by itself, and its status tells why
		select {
		case werr = <-ended:
			return 0, c.unexpected(werr, log.Name())
		case <-time.After(resetGrace):
		}
	}
	kill()
	werr = <-ended
	switch {
	case err != nil:
		return 0, err
	case c.code == nil:
		return 0, c.unexpected(werr, log.Name())
	case c.terminal:
		return 0, nil
	}
	return *c.code, nil
}

// conversation is a session with a guest that runs.
type conversation struct {
	Session
	ports
	terminal bool      // both sides have one
	keyboard *keyboard // nil until the shell is ready

	pending []byte // input that was not yet sent to the guest
	ended   bool   // there is no more input; the guest is told after pending
	asked   bool   // the guest has not yet taken the last input
	partial bool   // the last output did not end a line
	redrawn bool   // the guest was asked for its prompt, which has not come yet
	shown   bool   // the kernel's lines are shown
	reset   bool   // the guest resets, and the kernel's lines are no longer shown
	code    *int   // exit code, when it is known
}

// hold serves the session until the guest has ended, the user has left it, or
// ctx is done.
func (c *conversation) hold(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	frames, framesErr := make(chan wire.Frame), make(chan error, 1)
	go func() { framesErr <- c.readFrames(frames, done) }()
	kernel, kernelErr := make(chan []byte), make(chan error, 1)
	go func() { kernelErr <- c.readConsole(kernel, done) }()
	limit := time.NewTimer(c.Boot)
	defer limit.Stop()
	for framesErr != nil || kernelErr != nil {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-framesErr:
			framesErr = nil
		case err = <-kernelErr:
			kernelErr = nil
		case f := <-frames:
			if err = c.frame(f); c.keyboard != nil {
				limit.Stop()
			}
			if c.code != nil {
				limit.Reset(resetGrace)
			}
		case line := <-kernel:
			err = c.kernelSays(line)
		case typed, ok := <-c.keys():
			err = c.typed(typed, ok)
		case <-c.resized():
			err = c.send(c.size(wire.Frame{Type: wire.FrameSize}))
		case <-c.escaped():
			c.code = new(int)
			return nil
		case <-limit.C:
			if c.code != nil {
				return nil
			}
			return fmt.Errorf("the guest did not start a shell within %v; whole console: %s", c.Boot, c.consoleFile())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readFrames reads the guest's frames until its end.
func (c *conversation) readFrames(to chan<- wire.Frame, done <-chan struct{}) error {
	lines := bufio.NewReader(c.records)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the guest has ended, within a line perhaps
			return nil
		}
		f, err := wire.ParseFrame(line)
		if err != nil {
			return err
		}
		select {
		case to <- f:
		case <-done:
			return nil
		}
	}
}

// readConsole keeps the console in its file, and passes its lines on, until the
// guest's end.
func (c *conversation) readConsole(to chan<- []byte, done <-chan struct{}) error {
	f, err := os.Create(c.consoleFile())
	if err != nil {
		return err
	}
	defer f.Close() // each Write was checked
	lines := bufio.NewReader(c.console)
	for {
		line, err := lines.ReadBytes('\n')
		if _, werr := f.Write(line); werr != nil {
			return werr
		}
		if err != nil { // the guest has ended
			return nil
		}
		select {
		case to <- line:
		case <-done:
			return nil
		}
	}
}

func (c *conversation) consoleFile() string { return filepath.Join(c.Dir, wire.ConsoleFile) }

// frame does what a frame of the guest asks for.
func (c *conversation) frame(f wire.Frame) error {
	switch f.Type {
	case wire.FrameReady:
		return c.start()
	case wire.FrameTaken:
		c.asked = false
		return c.feed()
	case wire.FrameStdout:
		return c.print(c.Out, f.Data)
	case wire.FrameStderr:
		return c.print(c.Err, f.Data)
	case wire.FrameExit:
		c.code = &f.Code
		return nil
	case wire.FrameTrouble:
		return fmt.Errorf("the guest cannot start the shell: %s", f.Text)
	}
	return fmt.Errorf("the guest sent a frame of the unknown type %q", f.Type)
}

// start tells the guest what to run.
func (c *conversation) start() (err error) {
	f := wire.Frame{Type: wire.FrameStart, Args: c.Args}
	if c.terminal {
		c.Welcome()
	}
	if c.keyboard, err = newKeyboard(c.In, c.terminal); err != nil {
		return err
	}
	if c.terminal {
		f.Term = cmp.Or(os.Getenv("TERM"), "dumb")
		f = c.size(f)
	}
	return c.send(f)
}

func (c *conversation) send(f wire.Frame) error {
	line, err := f.Line()
	if err == nil {
		// An error means that QEMU has ended, which the loop notices next.
		_, _ = c.records.Write(line)
	}
	return err
}

// print prints what the command or the guest's terminal prints.
func (c *conversation) print(w io.Writer, text []byte) error {
	c.partial, c.redrawn = !bytes.HasSuffix(text, []byte("\n")), false
	_, err := w.Write(text)
	return err
}

// kernelSays prints a line of the kernel on a line of its own, and asks the
// guest to draw the prompt again below it. Lines from before the shell begins,
// and from after it has ended, go only to the file.
func (c *conversation) kernelSays(line []byte) error {
	text := strings.Map(harmless, strings.TrimRight(string(line), "\r\n"))
	switch {
	case strings.HasSuffix(text, wire.ShellBegins):
		c.shown = true
		return nil
	case strings.HasSuffix(text, wire.ShellEnds):
		c.reset = true
	}
	if !c.shown || c.reset {
		return nil
	}
	end := "\n"
	if c.terminal {
		end = "\r\n" // the terminal is in raw mode
	}
	if c.partial {
		text = end + text
	}
	c.partial = false
	if _, err := io.WriteString(c.Err, text+end); err != nil || !c.terminal || c.redrawn {
		return err
	}
	c.redrawn = true
	return c.send(wire.Frame{Type: wire.FrameRedraw})
}

// harmless replaces control characters, which could change the terminal.
func harmless(r rune) rune {
	if unicode.IsControl(r) && r != '\t' {
		return '?'
	}
	return r
}

// typed takes input for the guest; ok is false at its end.
func (c *conversation) typed(text []byte, ok bool) error {
	c.pending = append(c.pending, text...)
	c.ended = c.ended || !ok
	return c.feed()
}

// feed sends input that waits, if the guest has taken all before.
func (c *conversation) feed() error {
	if c.asked {
		return nil
	}
	if n := min(len(c.pending), wire.FrameDataLimit); n > 0 {
		c.asked = true
		part := c.pending[:n]
		c.pending = c.pending[n:]
		return c.send(wire.Frame{Type: wire.FrameInput, Data: part})
	}
	if c.ended {
		c.asked = true // nothing follows
		return c.send(wire.Frame{Type: wire.FrameEnd})
	}
	return nil
}

var panicRE = regexp.MustCompile(`(?m)Kernel panic - .*$`)

// tailLines is how many lines of a console are shown.
const tailLines = 20

// unexpected returns an EndedError with what is known of the guest.
func (c *conversation) unexpected(werr error, log string) error {
	console, err := os.ReadFile(c.consoleFile())
	if err != nil {
		return err
	}
	said, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	e := &EndedError{Why: "QEMU ended", Console: c.consoleFile()}
	if werr != nil {
		e.Why = "QEMU: " + werr.Error()
	}
	if text := bytes.TrimSpace(said); len(text) > 0 {
		e.Why += ": " + string(text)
	}
	if found := panicRE.Find(console); found != nil {
		e.Why = strings.Map(harmless, strings.TrimRight(string(found), "\r"))
	}
	if !c.shown { // else all of it was shown
		for line := range strings.Lines(string(console)) {
			e.Tail = append(e.Tail, strings.Map(harmless, strings.TrimRight(line, "\r\n")))
		}
		e.Tail = e.Tail[max(0, len(e.Tail)-tailLines):]
	}
	return e
}
