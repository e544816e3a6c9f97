// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"timens-vmtest/internal/wire"
)

// escape leaves a guest, even one that hangs: Ctrl-], as in telnet.
const escape = 0x1d

// keyboard is where the input of a shell comes from.
type keyboard struct {
	typed   chan []byte    // closed at the end of the input
	escaped chan struct{}  // closed when somebody at the terminal has typed escape
	resized chan os.Signal // the terminal has another size

	in    *os.File
	saved *term.State // state of the terminal; nil: in is no terminal
}

// newKeyboard begins to read in. It sets a terminal to raw mode, until restore.
func newKeyboard(in *os.File, terminal bool) (*keyboard, error) {
	k := &keyboard{typed: make(chan []byte), escaped: make(chan struct{}), resized: make(chan os.Signal, 1), in: in}
	if terminal {
		var err error
		if k.saved, err = term.MakeRaw(int(in.Fd())); err != nil {
			return nil, err
		}
		signal.Notify(k.resized, unix.SIGWINCH)
	}
	go k.read(terminal)
	return k, nil
}

// read ends with the process: nothing can interrupt a Read of a terminal.
func (k *keyboard) read(terminal bool) {
	for {
		buf := make([]byte, wire.FrameDataLimit)
		n, err := k.in.Read(buf)
		text := buf[:n]
		if terminal && (err != nil || bytes.IndexByte(text, escape) >= 0) {
			close(k.escaped) // a closed terminal leaves the guest, too
			return
		}
		if n > 0 {
			k.typed <- text
		}
		if err != nil {
			close(k.typed)
			return
		}
	}
}

// restore gives the terminal back. What was typed for the guest and not read
// is dropped: it is not meant for the host's shell.
func (c *conversation) restore() {
	if c.keyboard == nil || c.keyboard.saved == nil {
		return
	}
	signal.Stop(c.keyboard.resized)
	fd := int(c.In.Fd())
	// Errors mean that the terminal was closed, so nothing has to be restored.
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	_ = term.Restore(fd, c.keyboard.saved)
}

// keys returns nil while no input can be accepted. The keys of a terminal are
// always accepted, so that escape works even if the guest reads nothing.
func (c *conversation) keys() <-chan []byte {
	if c.keyboard == nil || c.ended || c.code != nil || !c.terminal && len(c.pending) > 0 {
		return nil
	}
	return c.keyboard.typed
}

func (c *conversation) escaped() <-chan struct{} {
	if c.keyboard == nil {
		return nil
	}
	return c.keyboard.escaped
}

func (c *conversation) resized() <-chan os.Signal {
	if c.keyboard == nil {
		return nil
	}
	return c.keyboard.resized
}

// size adds the size of the terminal to a frame. If the terminal does not know
// its size, it is 80 columns and 24 rows, as in the oldest terminals.
func (c *conversation) size(f wire.Frame) wire.Frame {
	cols, rows, err := term.GetSize(int(c.In.Fd()))
	if err != nil || cols == 0 || rows == 0 {
		cols, rows = 80, 24
	}
	f.Cols, f.Rows = uint16(cols), uint16(rows)
	return f
}
