// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// escape ends a shell whose guest does not end: Ctrl-], as in telnet.
const escape = 0x1d

// Known returns the accelerator that ChooseAccel has already proved on this
// host, or else TCG. A guest with an interactive shell says no hello that could
// prove KVM.
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

// Shell boots g with its console connected to in and out, and returns when the
// guest has ended.
func Shell(ctx context.Context, g Guest, in *os.File, out io.Writer) error {
	opts, err := g.options("shell", "loglevel=4")
	if err != nil {
		return err
	}
	console, err := newPort(opts, "console", "-serial", "chardev:console")
	if err != nil {
		return err
	}
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	runtime.LockOSThread() // QEMU is killed when the thread that started it ends
	defer runtime.UnlockOSThread()
	vm, err := opts.Start(ctx)
	if err != nil {
		return errors.Join(err, console.Close(), console.theirs.Close())
	}
	if err := console.theirs.Close(); err != nil {
		return err
	}
	if fd := int(in.Fd()); term.IsTerminal(fd) {
		saved, err := term.MakeRaw(fd)
		if err != nil {
			return err
		}
		defer term.Restore(fd, saved)
	}
	go func() { // ends with the process: nothing can interrupt a Read of a terminal
		buf := make([]byte, 256)
		for {
			n, err := in.Read(buf)
			for _, b := range buf[:n] {
				if b == escape {
					kill()
				}
			}
			if _, werr := console.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, console.File)
		copied <- err
	}()
	werr := vm.Wait()
	if ctx.Err() != nil {
		werr = nil // the user ended it
	}
	return errors.Join(werr, <-copied, console.File.Close())
}
