// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hugelgupf/vmtest/qemu"

	"timens-vmtest/internal/wire"
)

// Every member of a Change changes QEMU's command line, and is named by Flags: a run whose
// guest was changed must say so.
func TestChangeCounts(t *testing.T) {
	all := Change{CPUs: 3, MemoryMB: 768, Append: []string{"a=b c"}, QEMUArgs: []string{"-d", "int"}, GDB: "1234"}
	if v := reflect.ValueOf(all); true {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("%s is not tried", v.Type().Field(i).Name)
			}
		}
	}
	if got := (Change{}).Flags(); got != nil {
		t.Errorf("the standard guest has the flags %q", got)
	}
	want := []string{"-smp 3", "-memory 768M", "-append a=b c", "-qemu-arg -d", "-qemu-arg int", "-gdb=1234"}
	if got := all.Flags(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, lane := range []string{wire.Real, wire.Virtual} {
		g := Guest{Kernel: "k", Accel: TCG, Lane: lane, Change: all}
		line := lineOf(t, g, func(opts *qemu.Options) { g.addGDB(opts, t.TempDir()) })
		for _, part := range []string{"-smp 3,sockets=3", "-m 768", " a=b c", "-d int", "port=1234", " nokaslr"} {
			if !strings.Contains(line, part) {
				t.Errorf("lane %s: no %q in %s", lane, part, line)
			}
		}
	}
}

// lineOf returns QEMU's command line for a guest, to which change may have added something.
func lineOf(t *testing.T, g Guest, change func(*qemu.Options)) string {
	t.Helper()
	opts, err := g.options("b", "ignore_loglevel")
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(opts)
	}
	args, err := opts.Cmdline()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(args, " ")
}

// A guest that is recorded and its replay are the same machine, with or without gdb. Names of files
// may have commas.
func TestRecordingOptions(t *testing.T) {
	for name, r := range map[string]Recording{"record": {File: "a,b"}, "replay": {File: "a,b", Replay: true}, "gdb": {File: "a,b", Replay: true, Disk: "c,d"}} {
		g := Guest{Kernel: "k", Accel: TCG, Lane: wire.Virtual, HZ: 250, Recording: r}
		line := lineOf(t, g, nil)
		mode, disk := "replay", ""
		if name == "record" {
			mode = "record"
		}
		if name == "gdb" {
			disk = " -drive if=none,id=snapshots,format=qcow2,file=c,,d "
		}
		for _, part := range []string{",sleep=off,rr=" + mode + ",rrfile=a,,b ", " nokaslr", " -global apic.vapic=off ", disk} {
			if !strings.Contains(line, part) {
				t.Errorf("%s: no %q in %s", name, part, line)
			}
		}
		if disk == "" && strings.Contains(line, "-drive") {
			t.Errorf("%s: a disk in %s", name, line)
		}
		opts, err := g.options("b", "ignore_loglevel")
		if err != nil {
			t.Fatal(err)
		}
		p, apic, err := g.ports(opts)
		if p.close(); err != nil || apic != nil {
			t.Errorf("%s: a debugger would set %v, %v", name, apic, err)
		}
	}
	g := Guest{Kernel: "k", Accel: TCG, Lane: wire.Virtual}
	if line := lineOf(t, g, nil); strings.Contains(line, "rr=") || strings.Contains(line, "vapic") {
		t.Errorf("the standard guest is recorded: %s", line)
	}
}

// The CPUs of a guest that is traced share a thread, and its kernel prints its ring when it dies.
func TestTracedOptions(t *testing.T) {
	for traced, want := range map[bool][]string{false: {"tcg,thread=multi"}, true: {"tcg,thread=single", " ftrace_dump_on_oops"}} {
		line := lineOf(t, Guest{Kernel: "k", Accel: TCG, Lane: wire.Real, Traced: traced}, nil)
		for _, part := range want {
			if !strings.Contains(line, part) {
				t.Errorf("traced %v: no %q in %s", traced, part, line)
			}
		}
		if !traced && strings.Contains(line, "ftrace") {
			t.Errorf("the standard guest has ftrace: %s", line)
		}
	}
}

func TestChangeCheck(t *testing.T) {
	for want, c := range map[string]Change{
		"":                          {MemoryMB: leastMemoryMB},
		"-memory 64M is too little": {MemoryMB: 64},
		"free for the 2 guests that run side by side; give less": {MemoryMB: 1 << 30},
	} {
		if err := c.Check(2); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
}

// An archive that the guest cannot unpack is refused before QEMU starts.
func TestFits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 200<<20); err != nil { // it has no blocks
		t.Fatal(err)
	}
	g := Guest{Kernel: "k", Accel: TCG, Initramfs: path}
	_, err := Boot(t.Context(), g, plan, DefaultLimits, t.TempDir(), Observer{})
	if err == nil || !strings.Contains(err.Error(), "it needs 528 MB; pass -memory 528M") {
		t.Errorf("got %v, want the memory that it needs", err)
	}
	g.Change.MemoryMB = 528
	if err := g.fits(); err != nil {
		t.Error(err)
	}
}

func TestFreeMB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(path, []byte("MemTotal: 1 kB\nMemAvailable:    2048 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := freeMB(path); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	if _, err := freeMB(os.DevNull); err == nil {
		t.Error("an empty file was taken")
	}
}

// Lines of the console and records are shown in the order in which they come.
func TestBootShowsConsole(t *testing.T) {
	qemuIs(t, `printf 'one\r\ntwo\n' >&3; sleep 0.2; echo '`+hello+`' >&4; sleep 0.2; printf 'three\ncut' >&3`+"\n")
	var seen []string
	watch := Observer{
		Record:  func(r wire.Record) { seen = append(seen, r.Type) },
		Console: func(line string) { seen = append(seen, line) },
	}
	if _, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, short(time.Minute, time.Minute, time.Minute), t.TempDir(), watch); err != nil {
		t.Fatal(err)
	}
	if want := []string{"one", "two", "hello", "three"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}
