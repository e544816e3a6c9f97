// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// fakeQEMU takes the arguments that vm gives QEMU and plays a guest.
func fakeQEMU() {
	log.SetFlags(0)
	log.SetPrefix("fake QEMU: ")
	if slices.Equal(os.Args[1:], []string{"--version"}) {
		fmt.Println("QEMU emulator version 7.2.0 (fake)")
		return
	}
	monitor, err := newFakeMonitor(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if shell, err := newFakeShell(os.Args[1:]); err != nil || shell != nil {
		if err == nil {
			shell.monitor = monitor
			err = shell.play(os.Getenv("FAKE_GUEST"))
		}
		if err != nil {
			log.Fatal(err)
		}
		monitor.reset()
	}
	g, err := newFakeGuest(os.Args[1:])
	if err == nil {
		g.monitor = monitor
		err = g.play(os.Getenv("FAKE_GUEST"))
	}
	if err != nil {
		log.Fatal(err)
	}
	monitor.reset()
}

type fakeGuest struct {
	console, records io.Writer
	monitor          *fakeMonitor // nil if nobody asks it
	plan             wire.Plan
	key              string
	carried          wire.Carried
	hello            wire.Hello
	seq              int
	kernelSays       string // what the kernel's own text asks for: "fake-guest:" and a name
}

func newFakeGuest(args []string) (*fakeGuest, error) {
	value := make(map[string]string)
	for i := 0; i+1 < len(args); i++ {
		value[args[i]] += args[i+1] + "\n"
	}
	g := new(fakeGuest)
	for line := range strings.Lines(value["-chardev"]) {
		name, path, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "pipe,id="), ",path=")
		if !ok {
			continue // the monitor
		}
		port, err := os.OpenFile(strings.ReplaceAll(path, ",,", ",")+".out", os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		switch name {
		case "console":
			g.console = port
		case "records":
			g.records = port
		}
	}
	kernel := strings.TrimSpace(value["-kernel"])
	if err := g.readPlan(strings.TrimSpace(value["-initrd"])); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(filepath.Dir(kernel), "config"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(kernel)
	if err != nil {
		return nil, err
	}
	if _, what, ok := bytes.Cut(text, []byte("fake-guest:")); ok {
		name, _, _ := bytes.Cut(what, []byte("\x00"))
		g.kernelSays = string(name)
	}
	sum := sha256.Sum256(config)
	g.hello = wire.Hello{Schema: wire.Schema, PlanID: g.plan.ID, Clocksource: "tsc", Carried: g.carried.Digest(), ConfigSHA256: hex.EncodeToString(sum[:])}
	if g.hello.BuildID, err = elfBuildID(kernel); err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(value["-append"]) {
		if id, ok := strings.CutPrefix(word, wire.BootParam+"="); ok {
			g.hello.BootID = id
		}
		if lane, ok := strings.CutPrefix(word, wire.LaneParam+"="); ok {
			g.hello.Lane = lane
			g.plan = g.plan.In(lane)
		}
		if shard, ok := strings.CutPrefix(word, wire.ShardParam+"="); ok {
			if g.hello.Shard, err = strconv.Atoi(shard); err != nil {
				return nil, err
			}
			g.plan = g.plan.Shard(g.hello.Lane, g.hello.Shard) // the lane comes before it
		}
		if from, ok := strings.CutPrefix(word, wire.FromParam+"="); ok {
			if g.hello.From, err = strconv.Atoi(from); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

func (g *fakeGuest) readPlan(archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := cpio.ArchiveFromReader(cpio.Newc.Reader(f))
	if err != nil {
		return err
	}
	content := func(path string) io.Reader {
		r, ok := a.Get(strings.TrimPrefix(path, "/"))
		if !ok {
			err = errors.Join(err, fmt.Errorf("the archive has no %s", path))
			return strings.NewReader("")
		}
		return io.NewSectionReader(r, 0, int64(r.FileSize))
	}
	plan := content(wire.PlanPath)
	key, kerr := io.ReadAll(content(wire.KeyPath))
	g.key = string(key)
	g.carried = make(wire.Carried)
	for _, name := range a.Order {
		if file, ok := strings.CutPrefix("/"+name, wire.CarriedDir+"/"); ok && a.Files[name].Mode&cpio.S_IFREG == cpio.S_IFREG {
			text, rerr := io.ReadAll(content(name))
			err = errors.Join(err, rerr)
			g.carried[file] = text
		}
	}
	if err != nil || kerr != nil {
		return errors.Join(err, kerr)
	}
	return json.NewDecoder(plan).Decode(&g.plan)
}

func elfBuildID(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := f.Section(".note.gnu.build-id")
	if s == nil {
		return "", errors.New("no build ID")
	}
	notes, err := s.Data()
	return hex.EncodeToString(wire.GNUBuildID(notes)), err
}

func (g *fakeGuest) write(r wire.Record) error {
	r.Seq = g.seq
	g.seq++
	r.Taint = new(int64)
	r.RTC = new(int64)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = g.records.Write(append(line, '\n'))
	return err
}

// play plays a guest whose first test does what the guest is named for: in both
// lanes, or as "fail@virtual" or, of a shard, "fail@virtual/2" has it.
func (g *fakeGuest) play(what string) error {
	what, lane, one := strings.Cut(what, "@")
	if one && lane != g.hello.Lane && lane != wire.Label(g.hello.Lane, g.hello.Shard) {
		what = "green"
	}
	later := g.hello.From >= g.plan.Later()
	switch {
	case what == "silent", what == "silent later" && later:
		return nil
	case what == "foreign later" && later:
		g.hello.Carried = strings.Repeat("0", 64)
	}
	switch what {
	case "refused":
		log.Fatal("-machine i8042=off: there is no such thing")
	case "terminated": // QEMU exits with status 0 then
		log.Print("terminating on signal 15 from pid 1 (init)")
		return nil
	case "flaky":
		var err error
		if what, err = flaky(os.Getenv("FAKE_COUNTER")); err != nil {
			return err
		}
	case "chatty":
		for range 1 << 20 {
			if _, err := fmt.Fprintln(g.console, strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
	}
	if g.kernelSays != "" {
		what = g.kernelSays
	}
	fmt.Fprintln(g.console, "[    0.000000] Linux version 6.12.1-fake")
	if what == "foreign" {
		g.hello.BuildID = strings.Repeat("0", 40)
	}
	if err := g.write(wire.Record{Type: wire.TypeHello, Hello: &g.hello}); err != nil {
		return err
	}
	tests := g.plan.Part(g.hello.From)
	if g.hello.From > 0 {
		what = "green"
	}
	for _, t := range tests {
		if err := g.test(t.TestID, what); err != nil {
			return err
		}
		if !strings.HasPrefix(what, "leaves ") {
			what = "green"
		}
	}
	count := len(tests)
	return g.write(wire.Record{Type: wire.TypeDone, Count: &count, Key: g.key})
}

// flaky returns what a guest does of which every third fails. The file counts them.
func flaky(path string) (what string, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text = append(text, '.')
	if what = "green"; len(text)%3 == 0 {
		what = "fail"
	}
	return what, os.WriteFile(path, text, 0o644)
}

func (g *fakeGuest) test(id wire.TestID, what string) error {
	fmt.Fprintf(g.console, "[    1.000000] vmtest: start %s\n", id)
	if err := g.write(wire.Record{Type: wire.TypeStart, TestID: &id}); err != nil {
		return err
	}
	result, line, end := "PASS", "", wire.End{DurationS: 0.01}
	switch what {
	case "fail":
		result, line, end.Exit = "FAIL", "    timerfd_test.go:7: got 1, want 2\n", 1
	case "warn":
		for _, line := range []string{
			"------------[ cut here ]------------", "WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 x+0x1/0x2", "RAX: 0000000000000001 RBX: 0000000000000002",
			"Call Trace:", " <TASK>", " caller_of_x+0x3/0x4", " </TASK>", "---[ end trace 0000000000000000 ]---",
		} {
			fmt.Fprintln(g.console, "[    1.100000] "+line)
		}
	case "panic":
		fmt.Fprintln(g.console, "[    1.100000] Kernel panic - not syncing: on purpose")
		g.monitor.reset()
	case "killed":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	case "hang":
		time.Sleep(time.Hour)
	case "green", "silent later", "foreign later", "leaves nothing", "leaves a forgery":
	default:
		return fmt.Errorf("FAKE_GUEST=%q is none that I know", what)
	}
	output := fmt.Sprintf("\x16=== RUN   %[1]s\n%[3]s\x16--- %[2]s: %[1]s (0.01s)\n\x16%[2]s\n", id.Name, result, line)
	if err := g.write(wire.Record{Type: wire.TypeOutput, TestID: &id, Data: []byte(output)}); err != nil {
		return err
	}
	if err := g.leave(id, what); err != nil {
		return err
	}
	return g.write(wire.Record{Type: wire.TypeEnd, TestID: &id, End: &end})
}

// leave leaves what a test that comes after this one is to find.
func (g *fakeGuest) leave(id wire.TestID, what string) error {
	wanted := slices.ContainsFunc(g.plan.Tests, func(t wire.Test) bool { return t.Before() == id })
	if !wanted || what == "leaves nothing" {
		return nil
	}
	key := g.key
	if what == "leaves a forgery" {
		key = "guessed"
	}
	return g.write(wire.Record{Type: wire.TypeLeft, TestID: &id, Path: "left.json", Data: []byte(id.Name), Key: key})
}
