package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hugelgupf/vmtest/qemu"
	"golang.org/x/sys/unix"
)

// port is our end of a character device of QEMU's that is a socket.
type port struct {
	*os.File
	theirs *os.File // QEMU's end, to be closed once QEMU has it
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

// closeBoth closes what is open of both ends.
func (p *port) closeBoth() {
	_ = p.Close()
	_ = p.theirs.Close()
}

// uart is our end of a UART of the guest's: two pipes. A UART writes a byte at a
// time, and a socket takes no more than some 280 of those while nobody reads:
// then the guest waits, in guest time, for a busy host.
type uart struct {
	out, in             *os.File // what the guest writes, and what it reads
	theirOut, theirInto *os.File // QEMU's ends
}

// pipeSize is more than a guest writes while the host has better to do.
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
		// Refused to a user who has many pipes, and then it has 64 kB.
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
	})
}

func (u *uart) Read(p []byte) (int, error)  { return u.out.Read(p) }
func (u *uart) Write(p []byte) (int, error) { return u.in.Write(p) }

// ports are all that a boot has. The zero value has none yet.
type ports struct {
	console *uart  // the guest's ttyS0
	records *uart  // the guest's ttyS1
	monitor *port  // QEMU's own, in QMP
	dir     string // where QEMU finds the pipes

	debugger *debugger // nil if the guest needs none
}

// newPorts makes all ports but the debugger, adds them to QEMU, and returns those
// that are open even with an error.
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
	if p.monitor, err = newPort(opts, "monitor", "-mon", "chardev=monitor,mode=control"); err != nil {
		return p, err
	}
	files["console.in"], files["records.in"] = opts.AddFile(p.console.theirInto), opts.AddFile(p.records.theirInto)
	for name, fd := range files {
		if err := os.Symlink(fmt.Sprintf("/dev/fd/%d", fd), filepath.Join(p.dir, name)); err != nil {
			return p, err
		}
	}
	for _, name := range []string{"console", "records"} {
		path := strings.ReplaceAll(filepath.Join(p.dir, name), ",", ",,") // as QEMU wants it
		opts.AppendQEMU("-chardev", fmt.Sprintf("pipe,id=%s,path=%s", name, path), "-serial", "chardev:"+name)
	}
	return p, nil
}

// handOver closes QEMU's ends, once it has them.
func (p *ports) handOver() error {
	err := errors.Join(p.console.theirOut.Close(), p.console.theirInto.Close(),
		p.records.theirOut.Close(), p.records.theirInto.Close(), p.monitor.theirs.Close())
	if p.debugger != nil {
		err = errors.Join(err, p.debugger.theirs.Close())
	}
	return err
}

// close closes what is open. What is closed already is no error, and what
// cannot be closed or removed has nothing left to lose.
func (p *ports) close() {
	for _, u := range []*uart{p.console, p.records} {
		if u != nil {
			for _, f := range []*os.File{u.out, u.in, u.theirOut, u.theirInto} {
				_ = f.Close()
			}
		}
	}
	if p.monitor != nil {
		p.monitor.closeBoth()
	}
	if p.debugger != nil {
		p.debugger.closeBoth()
	}
	_ = os.RemoveAll(p.dir)
}
