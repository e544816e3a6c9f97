package vm

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// escape ends a shell whose guest does not: Ctrl-], as in telnet.
const escape = 0x1d

// Known is the accelerator that ChooseAccel has found to work on this host
// before, else TCG: an interactive shell has no hello to prove KVM with.
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

// Shell boots g with its console on in and out, and returns when it has ended.
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
	runtime.LockOSThread() // QEMU ends with the thread that started it
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
	go func() { // ends with the process: a terminal's Read cannot be ended
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
		werr = nil // ended by the user
	}
	return errors.Join(werr, <-copied, console.File.Close())
}
