// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/initramfs/uinit"
	"timens-vmtest/internal/wire"
)

// fakeShell plays a guest with a shell. It runs the archive's own shell on this
// host, behind the code that serves it in a guest.
type fakeShell struct {
	console io.Writer
	records io.ReadWriter
	sh      []byte
	debug   *wire.Debug // nil: it runs no plan
	monitor *fakeMonitor
}

// newFakeShell returns nil if the archive is none for a shell.
func newFakeShell(args []string) (*fakeShell, error) {
	value := make(map[string]string)
	for i := 0; i+1 < len(args); i++ {
		value[args[i]] += args[i+1] + "\n"
	}
	f, err := os.Open(strings.TrimSpace(value["-initrd"]))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := cpio.ArchiveFromReader(cpio.Newc.Reader(f))
	if err != nil {
		return nil, err
	}
	file, ok := a.Get(strings.TrimPrefix(wire.ShellPath, "/"))
	if !ok {
		return nil, nil
	}
	g := &fakeShell{sh: make([]byte, file.FileSize)}
	if _, err := file.ReadAt(g.sh, 0); err != nil {
		return nil, err
	}
	if file, ok := a.Get(strings.TrimPrefix(wire.DebugPath, "/")); ok {
		if err := json.NewDecoder(io.NewSectionReader(file, 0, int64(file.FileSize))).Decode(&g.debug); err != nil {
			return nil, err
		}
	}
	for line := range strings.Lines(value["-chardev"]) {
		name, path, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "pipe,id="), ",path=")
		if !ok {
			continue // the monitor
		}
		path = strings.ReplaceAll(path, ",,", ",")
		out, err := os.OpenFile(path+".out", os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		in, err := os.OpenFile(path+".in", os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		switch name {
		case "console":
			g.console = out
		case "records":
			g.records = struct {
				io.Reader
				io.Writer
			}{in, out}
		}
	}
	return g, nil
}

// play plays a guest of this name. The default does what the shell says. One
// that panics or warns does so when a file of that name appears in the shell's
// folder.
func (g *fakeShell) play(what string) error {
	dir, err := os.MkdirTemp("", "fake-guest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sh := filepath.Join(dir, "sh")
	if err := os.WriteFile(sh, g.sh, 0o755); err != nil {
		return err
	}
	fmt.Fprint(g.console, "[    0.000000] Linux version 6.12.1-fake\r\ninit: not to be shown\r\n")
	switch what {
	case "no shell":
		fmt.Fprint(g.console, "[    1.000000] Kernel panic - not syncing: no \x1b[2Jroot\r\n")
		return nil
	case "refused":
		return fmt.Errorf("-machine i8042=off: there is no such thing")
	}
	fmt.Fprintf(g.console, "[    1.000000] %s\r\n", wire.ShellBegins)
	go g.kernel(dir)
	env := []string{"PATH=" + dir + ":/usr/bin:/bin"}
	var ready wire.Frame
	if g.debug != nil {
		if ready, err = g.upTo(what); err != nil {
			return err
		}
		env = append(env, wire.CommandEnv+"=echo run "+g.debug.Test.Name)
	}
	err = uinit.ServeShell(g.records, sh, ready, dir, env)
	fmt.Fprintf(g.console, "[    3.000000] %s\r\n[    3.100000] reboot: Restarting system\r\n", wire.ShellEnds)
	return err
}

// upTo plays the plan up to the test that is debugged, which does what the guest is named for.
func (g *fakeShell) upTo(what string) (wire.Frame, error) {
	guest, err := newFakeGuest(os.Args[1:])
	if err != nil {
		return wire.Frame{}, err
	}
	if err := guest.write(wire.Record{Type: wire.TypeHello, Hello: &guest.hello}); err != nil {
		return wire.Frame{}, err
	}
	for _, t := range guest.plan.Part(guest.hello.From) {
		if t.TestID == g.debug.Test {
			break
		}
		if err := guest.test(t.TestID, "green"); err != nil {
			return wire.Frame{}, err
		}
	}
	if what == "flaky" {
		if what, err = flaky(os.Getenv("FAKE_COUNTER")); err != nil {
			return wire.Frame{}, err
		}
	}
	switch id := g.debug.Test; {
	case !g.debug.AtFail:
		return wire.Frame{Text: "before " + id.String()}, nil
	case what == "fail":
		err := errors.Join(
			guest.write(wire.Record{Type: wire.TypeStart, TestID: &id}),
			guest.write(wire.Record{Type: wire.TypeOutput, TestID: &id, Data: []byte("    timerfd_test.go:7: got 1, want 2\n")}))
		return wire.Frame{Text: id.String() + " has failed and is stopped there"}, err
	default:
		return wire.Frame{Text: id.String() + " has ended (exit status 0)", Ended: true}, guest.test(id, "green")
	}
}

// kernel plays the kernel beside the shell.
func (g *fakeShell) kernel(dir string) {
	for {
		time.Sleep(10 * time.Millisecond)
		if _, err := os.Stat(filepath.Join(dir, "warn")); err == nil {
			os.Remove(filepath.Join(dir, "warn"))
			fmt.Fprint(g.console, "[    2.000000] WARNING: \x1b[2Jon purpose\r\n")
		}
		if _, err := os.Stat(filepath.Join(dir, "panic")); err == nil {
			fmt.Fprint(g.console, "[    2.100000] Kernel panic - not syncing: sysrq triggered crash\r\n")
			os.RemoveAll(dir)
			g.monitor.reset()
		}
	}
}
