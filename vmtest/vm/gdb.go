// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hugelgupf/vmtest/qemu"

	"timens-vmtest/internal/wire"
)

// AnySocket is the value of Change.GDB for a UNIX socket. Any other is the number of a port.
const AnySocket = "socket"

// GDB is what the user's debugger has to know of a kernel. The zero value says nothing.
type GDB struct {
	Symbols string   // path of vmlinux with debug information
	Scripts string   // path of the kernel's vmlinux-gdb.py; "": there is none
	Breaks  []string // functions in which the guest is to stop

	// Warn is called if gdb cannot go back.
	Warn func(error)
	// Say is called with the file of gdb's commands, when QEMU waits for gdb.
	Say func(commands string)
}

// CheckGDB returns an error if a value for Change.GDB cannot be used, such as a port that is
// taken.
func CheckGDB(value string) error {
	if value == "" || value == AnySocket {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("-gdb=%s is no port; give a number from 1 to 65535, or -gdb alone for a socket", value)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+value)
	if err != nil {
		return fmt.Errorf("-gdb=%s: %w; give another port, or -gdb alone for a socket", value, err)
	}
	return l.Close()
}

// addGDB makes QEMU wait for gdb before the guest starts, and returns where gdb finds it. The
// socket is in the folder of the ports, because gdb takes a name with a colon for a port, and
// because the kernel takes only short names of sockets.
func (g Guest) addGDB(opts *qemu.Options, dir string) (target string) {
	device := "socket,id=gdb,server=on,wait=off"
	if g.Change.GDB == AnySocket {
		target = filepath.Join(dir, "gdb")
		device += ",path=" + qemuValue(target)
	} else {
		target = "127.0.0.1:" + g.Change.GDB
		device += ",host=127.0.0.1,port=" + g.Change.GDB
	}
	opts.AppendQEMU("-chardev", device, "-gdb", "chardev:gdb", "-S")
	return target
}

// writeGDB writes the commands with which gdb begins. apic is what the guest has to have while it
// boots, or nil.
func (g Guest) writeGDB(dir, target string, apic *preset) (path string, err error) {
	var text strings.Builder
	fmt.Fprintln(&text, "set pagination off\nset breakpoint pending on")
	if g.GDB.Symbols != "" {
		fmt.Fprintf(&text, "file %s\n", gdbWord(g.GDB.Symbols))
	}
	if g.GDB.Scripts != "" {
		fmt.Fprintf(&text, "source %s\n", g.GDB.Scripts) // it takes the rest of the line
	}
	fmt.Fprintf(&text, "target remote %s\n", target)
	if apic != nil {
		fmt.Fprintf(&text, "# Spares the guest the calibration of its timer, as in every run.\ntbreak *%#x\ncommands\nsilent\nset {unsigned int}%#x = %d\ncontinue\nend\n",
			apic.at, apic.variable, apic.value)
	}
	for _, f := range g.GDB.Breaks {
		fmt.Fprintf(&text, "break %s\n", f)
	}
	path = filepath.Join(dir, wire.GDBFile)
	return path, os.WriteFile(path, []byte(text.String()), 0o644)
}

// gdbWord quotes a word as gdb's command "file" reads it.
func gdbWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// openGDB says how to start gdb, when QEMU waits for it.
func (g Guest) openGDB(m *monitor, commands string) {
	if err := m.listening(); err != nil { // QEMU has ended, which others notice
		return
	}
	if g.Recording.Disk != "" {
		if err := m.snapshot(); err != nil {
			g.GDB.Warn(err)
		}
	}
	g.GDB.Say(commands)
}
