// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

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
	Boot time.Duration // from QEMU's start until the shell is there, or until the first record

	// Plan is what the guest runs before the shell begins, if it is debugged. Zero: it runs
	// nothing.
	Plan wire.Plan
	// Step is how long the guest may take from one record of the plan to the next, beside the
	// timeout of a test.
	Step time.Duration
	// Record is called with every record of the plan. Its lines are shown.
	Record func(wire.Record) []string
	// Stopped is called when a guest that is debugged has stopped. where says where, and ended
	// that the test has ended with exit status 0. If Stopped returns false, there is no shell,
	// and the guest ends. The exit code is then 0.
	Stopped func(where string, ended bool) bool
	// Dump leaves a vmcore of a guest that is debugged when it has stopped, before its shell begins. The
	// guest has a format of its Vmcore then.
	Dump bool

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
	opts, c, err := g.conversation(s)
	defer c.close()
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
	c.qemu = started()
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	if err = c.handOver(); err == nil {
		c.begin()
		err = c.hold(ctx)
	}
	if c.terminal && c.partial { // the host's shell begins on a new line
		_, werr := io.WriteString(c.Out, "\r\n")
		err = errors.Join(err, werr)
	}
	c.restore()
	c.leave()
	var werr error
	if err == nil && c.code == nil && !c.paused { // QEMU ends by itself, and its status tells why
		select {
		case werr = <-ended:
			return 0, c.unexpected(werr, log.Name())
		case <-time.After(resetGrace):
		}
	}
	kill()
	if werr = <-ended; c.paused {
		werr = nil // the guest has reset; that we killed QEMU says nothing
	}
	switch {
	case errors.Is(err, errDeclined):
		return 0, nil
	case err != nil:
		return 0, err
	case c.code == nil:
		return 0, c.unexpected(werr, log.Name())
	case c.terminal:
		return 0, nil
	}
	return *c.code, nil
}

// leave leaves the memory of a guest that has died before its shell did, or that hangs.
func (c *conversation) leave() {
	if c.vmcore.Format != "" && (c.hung || c.paused && c.code == nil) {
		go c.monitor.alone()
		c.vmcore.leave(c.monitor, c.Dir, c.memoryMB)
	}
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
