// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hugelgupf/vmtest/qemu"
	"golang.org/x/sys/unix"
)

// port is our end of a QEMU character device that is a socket.
type port struct {
	*os.File
	theirs *os.File // QEMU's end; close it when QEMU has started
}

// newPort adds a character device of this name to QEMU, and the arguments that
// use it.
func newPort(opts *qemu.Options, name string, use ...string) (*port, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the %s port: %w", name, err)
	}
	// Non-blocking, so that the runtime polls it and Close ends a Read.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, err
	}
	p := &port{os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of QEMU")}
	opts.AppendQEMU("-chardev", fmt.Sprintf("socket,id=%s,fd=%d", name, opts.AddFile(p.theirs)))
	opts.AppendQEMU(use...)
	return p, nil
}

// closeBoth closes both ends, if they are open.
func (p *port) closeBoth() {
	_ = p.Close()
	_ = p.theirs.Close()
}

// uart is our end of a UART of the guest, as two pipes. A UART writes single
// bytes, and a socket has room for only about 280 of them. When it is full the
// guest waits, in guest time, for the busy host.
type uart struct {
	out, in             *os.File // read what the guest writes; write what it reads
	theirOut, theirInto *os.File // QEMU's ends

	mu           sync.Mutex
	got, handled int64 // bytes that were read, and those of them that are done with
}

// pipeSize is more than a guest writes while the host does not read.
const pipeSize = 1 << 20

func newUART() (*uart, error) {
	var u uart
	var err error
	if u.out, u.theirOut, err = os.Pipe(); err != nil {
		return nil, err
	}
	if u.theirInto, u.in, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, u.out.Close(), u.theirOut.Close())
	}
	raw, err := u.out.SyscallConn()
	if err != nil {
		return &u, err
	}
	return &u, raw.Control(func(fd uintptr) {
		// This fails if the user has many pipes. Then the pipe keeps
		// its 64 kB.
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
	})
}

// Read reads what the guest has written. After finish it reads what is left, and then returns io.EOF.
func (u *uart) Read(p []byte) (n int, err error) {
	u.mu.Lock()
	u.handled = u.got
	u.mu.Unlock()
	raw, err := u.out.SyscallConn()
	if err != nil {
		return 0, err
	}
	read := raw.Read(func(fd uintptr) bool {
		n, err = u.take(fd, p)
		return err != unix.EAGAIN
	})
	if errors.Is(read, os.ErrDeadlineExceeded) { // after the last look, the guest may have written more
		read = raw.Control(func(fd uintptr) { n, err = u.take(fd, p) })
	}
	if read != nil {
		return 0, read
	}
	switch {
	case n == 0 && err == nil, err == unix.EAGAIN:
		return 0, io.EOF
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	}
	return n, nil
}

// take reads what is in the pipe, and counts it.
func (u *uart) take(fd uintptr, p []byte) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		if n, err = unix.Read(int(fd), p); err != unix.EINTR {
			n = max(n, 0)
			u.got += int64(n)
			return n, err
		}
	}
}

// idle reports whether all that the guest has written so far was read, and is done with: whoever
// reads has asked for more.
func (u *uart) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	raw, err := u.out.SyscallConn()
	if err != nil {
		return true // nobody can read any more
	}
	waiting := 0
	asked := raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if asked != nil || err != nil {
		return true
	}
	return waiting == 0 && u.handled == u.got
}

// finish says that the guest writes nothing any more. QEMU itself may go on.
func (u *uart) finish() error { return u.out.SetReadDeadline(time.Unix(1, 0)) }

func (u *uart) Write(p []byte) (int, error) { return u.in.Write(p) }

// ports are all ports of a boot. The zero value has none.
type ports struct {
	console *uart // the guest's ttyS0
	records *uart // the guest's ttyS1
	monitor *monitor
	dir     string // where QEMU finds the pipes
	gdb     string // where the user's gdb finds QEMU; "": it has no place

	debugger *debugger // nil if the boot needs none
}

// newPorts makes all ports except the debugger and adds them to QEMU. On an
// error it also returns the ports that are open already.
func newPorts(opts *qemu.Options) (p ports, err error) {
	if p.dir, err = os.MkdirTemp("", "vmtest-ports-"); err != nil {
		return p, err
	}
	if p.console, err = newUART(); err != nil {
		return p, err
	}
	if p.records, err = newUART(); err != nil {
		return p, err
	}
	files := map[string]int{"console.out": opts.AddFile(p.console.theirOut), "records.out": opts.AddFile(p.records.theirOut)}
	if p.monitor, err = newMonitor(opts); err != nil {
		return p, err
	}
	files["console.in"], files["records.in"] = opts.AddFile(p.console.theirInto), opts.AddFile(p.records.theirInto)
	for name, fd := range files {
		if err := os.Symlink(fmt.Sprintf("/dev/fd/%d", fd), filepath.Join(p.dir, name)); err != nil {
			return p, err
		}
	}
	for _, name := range []string{"console", "records"} {
		opts.AppendQEMU("-chardev", fmt.Sprintf("pipe,id=%s,path=%s", name, qemuValue(filepath.Join(p.dir, name))), "-serial", "chardev:"+name)
	}
	return p, nil
}

// qemuValue returns a value as one of QEMU's options with several values has it.
func qemuValue(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// handOver closes QEMU's ends, after QEMU has started.
func (p *ports) handOver() error {
	err := errors.Join(p.console.theirOut.Close(), p.console.theirInto.Close(),
		p.records.theirOut.Close(), p.records.theirInto.Close(), p.monitor.theirs.Close())
	if p.debugger != nil {
		err = errors.Join(err, p.debugger.theirs.Close())
	}
	return err
}

// close closes all that is open. It ignores errors: nothing is lost with a port
// that cannot be closed.
func (p *ports) close() {
	for _, u := range []*uart{p.console, p.records} {
		if u != nil {
			for _, f := range []*os.File{u.out, u.in, u.theirOut, u.theirInto} {
				_ = f.Close()
			}
		}
	}
	if p.monitor != nil {
		close(p.monitor.closed)
		p.monitor.closeBoth()
	}
	if p.debugger != nil {
		p.debugger.closeBoth()
	}
	_ = os.RemoveAll(p.dir)
}
