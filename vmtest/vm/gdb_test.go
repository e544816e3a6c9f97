// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// tiny is a kernel that calls tick again and again, and resets when done is set.
const tiny = `
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long _start
	.text
	.code32
	.globl _start, tick
	.type tick, @function
_start:	mov $top, %esp
1:	call tick
	cmpl $0, done
	je 1b
	lidt none
	int3
tick:	incl ticks
	ret
	.bss
	.globl ticks, done
ticks:	.long 0
done:	.long 0
none:	.long 0, 0
	.skip 4096
top:
`

// tinyKernel builds it.
func tinyKernel(t *testing.T) string { return assemble(t, tiny) }

func assemble(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tiny.S"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x100000", "-Wl,--build-id=none", "-o", "vmlinux", "tiny.S")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "vmlinux")
}

// A scripted session of Debian's gdb stops a guest in either lane, by a socket and by a port, reads
// and changes its memory, and lets it go.
func TestGDBSession(t *testing.T) {
	kernel := tinyKernel(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ lane, where string }{
		"socket":          {wire.Real, AnySocket},
		"port":            {wire.Real, port},
		"in virtual time": {wire.Virtual, AnySocket},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			session := make(chan string, 1)
			g := Guest{Kernel: kernel, Accel: TCG, Lane: tc.lane, Change: Change{GDB: tc.where, MemoryMB: 128}}
			g.GDB = GDB{Symbols: kernel, Breaks: []string{"tick"}, Say: func(commands string) {
				out, err := exec.CommandContext(t.Context(), "gdb", "-batch", "-x", commands,
					"-ex", "continue", "-ex", "continue", "-ex", "continue", "-ex", "print (int)ticks",
					"-ex", "delete", "-ex", "set {int}&done = 1", "-ex", "continue").CombinedOutput()
				// The last command ends with the guest, which gdb may take for an error.
				session <- fmt.Sprintf("%s\n%v", out, err)
			}}
			exit, err := Boot(t.Context(), g, plan, Limits{Boot: 30 * time.Second, Test: time.Minute, Rest: time.Minute, Run: time.Minute}, dir, Observer{Record: func(wire.Record) {}})
			if err != nil {
				t.Fatal(err)
			}
			if exit.Reason != wire.EndedItself || exit.Status != 0 {
				t.Errorf("got %+v, want the end of the guest", exit)
			}
			if said := <-session; !strings.Contains(said, "$1 = 2") || !strings.Contains(said, " tick ()") {
				t.Errorf("gdb says:\n%s", said)
			}
		})
	}
}

// The limits of a run and of a shell wait until gdb lets the guest go, and count then.
func TestLimitsCountAgain(t *testing.T) {
	const limit = time.Second
	kernel := tinyKernel(t)
	run := func(g Guest, dir string) string {
		exit, err := Boot(t.Context(), g, plan, Limits{Boot: limit, Test: time.Minute, Rest: time.Minute, Run: time.Minute}, dir, Observer{Record: func(wire.Record) {}})
		return fmt.Sprint(exit.Reason, err)
	}
	shell := func(g Guest, dir string) string {
		_, err := Shell(t.Context(), g, Session{Args: []string{"true"}, Out: io.Discard, Err: io.Discard, Dir: dir, Boot: limit})
		return fmt.Sprint(err)
	}
	loops, ends := []string{"-ex", "detach"}, []string{"-ex", "set {int}&done = 1", "-ex", "detach"}
	for name, tc := range map[string]struct {
		boot func(g Guest, dir string) string
		gdb  []string
		want string
	}{
		"a run that ends":      {run, ends, wire.EndedItself},
		"a run that goes on":   {run, loops, wire.BootTimeout},
		"a shell that ends":    {shell, ends, "the guest ended before its shell"},
		"a shell that goes on": {shell, loops, "the guest did not start a shell in its time"},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan error, 1)
			g := Guest{Kernel: kernel, Accel: TCG, Lane: wire.Real, Change: Change{GDB: AnySocket}}
			g.GDB = GDB{Symbols: kernel, Say: func(commands string) {
				time.Sleep(2 * limit)
				out, err := exec.CommandContext(t.Context(), "gdb", append([]string{"-batch", "-x", commands}, tc.gdb...)...).CombinedOutput()
				if err != nil {
					err = fmt.Errorf("gdb: %w\n%s", err, out)
				}
				said <- err
			}}
			got := tc.boot(g, t.TempDir())
			if err := <-said; err != nil || !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want %s; %v", got, tc.want, err)
			}
		})
	}
}

// A port that is taken is said before anything is booted.
func TestCheckGDB(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"":        "",
		AnySocket: "",
		port:      "address already in use; give another port",
		"0":       "is no port",
		"65536":   "is no port",
		"yes":     "is no port",
	} {
		if err := CheckGDB(value); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", value, err, want)
		}
	}
}

// The timer of a guest that needs a preset is set by gdb, because QEMU serves one debugger.
func TestGDBCommands(t *testing.T) {
	dir := t.TempDir()
	g := Guest{GDB: GDB{Symbols: `/a b/"v"`, Scripts: "/a b/vmlinux-gdb.py", Breaks: []string{"x", "y"}}}
	path, err := g.writeGDB(dir, "/tmp/p/gdb", &preset{at: 0x10, variable: 0x20, value: 7})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `set pagination off
set breakpoint pending on
file "/a b/\"v\""
source /a b/vmlinux-gdb.py
target remote /tmp/p/gdb
# Spares the guest the calibration of its timer, as in every run.
tbreak *0x10
commands
silent
set {unsigned int}0x20 = 7
continue
end
break x
break y
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
