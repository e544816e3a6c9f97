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
	"strings"
	"time"
	"unicode"

	"github.com/hugelgupf/vmtest/qemu"
	"golang.org/x/term"

	"timens-vmtest/internal/wire"
)

// errDeclined ends a conversation that the host did not want.
var errDeclined = errors.New("nobody wants this shell")

// conversation is a session with a guest that runs.
type conversation struct {
	Session
	ports
	terminal bool      // both sides have one
	keyboard *keyboard // nil until the shell is ready

	preset     *preset    // set by the debugger while the guest boots; nil: nothing is
	presetDone chan error // what came of it
	waiting    func()     // is called when the user's gdb can come; nil: none comes

	qemu     process
	vmcore   Vmcore
	memoryMB int           // of the guest
	dumped   chan struct{} // closed when the vmcore of a guest that has stopped is written
	paused   bool          // the guest has reset, and QEMU has stopped it
	hung     bool          // it is ended, because it did not go on
	canDump  chan error    // what came of the question

	pending []byte // input that was not yet sent to the guest
	ended   bool   // there is no more input; the guest is told after pending
	asked   bool   // the guest has not yet taken the last input
	partial bool   // the last output did not end a line
	redrawn bool   // the guest was asked for its prompt, which has not come yet
	shown   bool   // the kernel's lines are shown
	reset   bool   // the guest resets, and the kernel's lines are no longer shown
	code    *int   // exit code, when it is known
}

// conversation returns the conversation of a guest that is not yet started, and QEMU's command
// line for it. On an error, its ports that are open already have to be closed, too.
func (g Guest) conversation(s Session) (*qemu.Options, *conversation, error) {
	c := &conversation{Session: s, presetDone: make(chan error, 1), canDump: make(chan error, 1), vmcore: g.Vmcore, memoryMB: g.memoryMB(), dumped: make(chan struct{})}
	c.terminal = len(s.Args) == 0 && term.IsTerminal(int(s.In.Fd()))
	bootID, level := "shell", "loglevel=4"
	if s.Plan.ID != "" { // as in the run that is debugged
		bootID, level = g.bootID(s.Plan), planLogLevel
	}
	opts, err := g.options(bootID, level)
	if err != nil {
		return nil, c, err
	}
	if c.ports, c.preset, err = g.ports(opts); err != nil || c.gdb == "" {
		return opts, c, err
	}
	commands, err := g.writeGDB(s.Dir, c.gdb, c.preset)
	c.preset, c.waiting = nil, func() { g.openGDB(c.monitor, commands) }
	return opts, c, err
}

// begin begins what runs beside the conversation.
func (c *conversation) begin() {
	go c.monitor.listen()
	if c.waiting != nil {
		go c.waiting()
	}
	if c.preset != nil {
		go func() { c.presetDone <- c.debugger.apply(*c.preset) }()
	}
	if c.vmcore.Format != "" {
		go func() { c.canDump <- c.monitor.canDump(c.vmcore.Format) }()
	}
}

// hold serves the session until the guest has ended, the user has left it, or
// ctx is done.
func (c *conversation) hold(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	frames, records, framesErr := make(chan wire.Frame), make(chan wire.Record), make(chan error, 1)
	go func() { framesErr <- c.readFrames(frames, records, done) }()
	kernel, kernelErr := make(chan []byte), make(chan error, 1)
	go func() { kernelErr <- c.readConsole(kernel, done) }()
	limit := newLimit(c.Boot, c.qemu)
	defer limit.Stop()
	if c.waiting != nil { // the guest has not started
		limit.hold()
	}
	reset, dumped := c.vmcore.reset(c.monitor), c.dumped
	for framesErr != nil || kernelErr != nil {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-framesErr:
			framesErr = nil
		case err = <-kernelErr:
			kernelErr = nil
		case yes := <-c.monitor.runs:
			if c.keyboard == nil {
				limit.runs(yes)
			}
		case err = <-c.presetDone:
		case err = <-c.canDump:
		case <-reset:
			c.paused, reset = true, nil
			err = errors.Join(c.console.finish(), c.records.finish())
		case <-dumped:
			dumped = nil
			err = c.start()
		case r := <-records:
			if err = c.record(r); c.keyboard == nil {
				limit.Reset(c.Step + c.timeout(r))
			}
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
			c.code, c.hung = new(int), true
			return nil
		case <-limit.C:
			if !limit.passed() {
				break
			}
			if c.code != nil {
				return nil
			}
			c.hung = true
			return fmt.Errorf("the guest did not start a shell in its time; whole console: %s", c.consoleFile())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readFrames reads the guest's frames until its end, and the records of a guest that is
// debugged.
func (c *conversation) readFrames(to chan<- wire.Frame, records chan<- wire.Record, done <-chan struct{}) error {
	lines := bufio.NewReader(c.records)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the guest has ended, within a line perhaps
			return nil
		}
		if r, err := wire.ParseRecord(line); err == nil && c.Plan.ID != "" {
			select {
			case records <- r:
			case <-done:
			}
			continue
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
		if c.Stopped != nil && !c.Stopped(f.Text, f.Ended) {
			c.code = new(int)
			return errDeclined
		}
		if c.Dump {
			go func() {
				c.vmcore.leave(c.monitor, c.Dir, c.memoryMB)
				close(c.dumped)
			}()
			return nil
		}
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
	return c.say(text)
}

// record shows what a record of the plan says.
func (c *conversation) record(r wire.Record) error {
	for _, line := range c.Record(r) {
		if err := c.say(line); err != nil {
			return err
		}
	}
	return nil
}

// timeout returns the timeout of the test that a record begins, and 0 for another record.
func (c *conversation) timeout(r wire.Record) time.Duration {
	if r.Type != wire.TypeStart {
		return 0
	}
	return supervisor{plan: c.Plan}.timeout(*r.TestID)
}

// say prints a line of its own beside what the guest's programs print.
func (c *conversation) say(text string) error {
	end := "\n"
	if c.terminal && c.keyboard != nil {
		end = "\r\n" // the terminal is in raw mode
	}
	if c.partial {
		text = end + text
	}
	c.partial = false
	if _, err := io.WriteString(c.Err, text+end); err != nil || !c.terminal || c.redrawn || c.keyboard == nil {
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
