package vm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"timens-vmtest/vmtest/wire"
)

// qemuIs puts a shell script in QEMU's place. It finds a folder of its own in
// $DIR.
func qemuIs(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := "#!/bin/sh\nDIR=" + dir + "\nif [ \"$1\" = --version ]; then echo 'QEMU 0 (script)'; exit; fi\n" + script
	if err := os.WriteFile(filepath.Join(dir, binary), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

var plan = wire.Plan{Schema: wire.Schema, ID: "p", Tests: []wire.Test{{TestID: wire.TestID{Package: "p", Name: "TestA"}, TimeoutS: 0.1}}}

const (
	hello = `{"seq":0,"type":"hello","schema":1,"plan_id":"p","taint":0,"rtc_s":0}`
	start = `{"seq":1,"type":"start","package":"p","name":"TestA","taint":0}`
	// The fourth file that QEMU gets is the records' port.
	records = ">&4"
)

func short(boot, test, run time.Duration) Limits {
	return Limits{Boot: boot, Test: test, Rest: test, Run: run}
}

func TestBootEnds(t *testing.T) {
	const never = time.Minute
	for name, tc := range map[string]struct {
		script string
		limits Limits
		want   wire.Exit
	}{
		"by itself":           {"exit 0", short(never, never, never), wire.Exit{Reason: wire.EndedItself}},
		"with a status":       {"exit 3", short(never, never, never), wire.Exit{Reason: wire.EndedItself, Status: 3}},
		"by a signal":         {"kill -9 $$", short(never, never, never), wire.Exit{Reason: wire.EndedItself, Status: -1, Signal: "SIGKILL"}},
		"no hello":            {"exec sleep 60", short(50*time.Millisecond, never, never), wire.Exit{Reason: wire.BootTimeout, Status: -1, Signal: "SIGKILL"}},
		"no start":            {"echo '" + hello + "' " + records + "; exec sleep 60", short(never, 50*time.Millisecond, never), wire.Exit{Reason: wire.TestTimeout, Status: -1, Signal: "SIGKILL"}},
		"no end":              {"echo '" + hello + "\n" + start + "' " + records + "; exec sleep 60", short(never, 50*time.Millisecond, never), wire.Exit{Reason: wire.TestTimeout, Status: -1, Signal: "SIGKILL"}},
		"too long as a whole": {"exec sleep 60", short(never, never, 50*time.Millisecond), wire.Exit{Reason: wire.RunTimeout, Status: -1, Signal: "SIGKILL"}},
	} {
		t.Run(name, func(t *testing.T) {
			qemuIs(t, tc.script+"\n")
			dir := t.TempDir()
			exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, tc.limits, dir, func(wire.Record) {})
			if err != nil {
				t.Fatal(err)
			}
			if exit.Reason != tc.want.Reason || exit.Status != tc.want.Status || exit.Signal != tc.want.Signal {
				t.Errorf("got %+v, want %+v", exit, tc.want)
			}
			var stored wire.Exit
			text, err := os.ReadFile(filepath.Join(dir, wire.ExitFile))
			if err != nil || json.Unmarshal(text, &stored) != nil || stored != exit {
				t.Errorf("%s has %s, %v, want %+v", wire.ExitFile, text, err, exit)
			}
		})
	}
}

func TestBootInterrupted(t *testing.T) {
	qdir := qemuIs(t, "echo $$ > $DIR/pid; echo '"+hello+"' "+records+"; exec sleep 60\n")
	ctx, cancel := context.WithCancel(t.Context())
	exit, err := Boot(ctx, Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, t.TempDir(), func(wire.Record) { cancel() })
	if err != nil || exit.Reason != wire.Interrupted || exit.BootS == 0 {
		t.Errorf("got %+v, %v, want an interruption after hello", exit, err)
	}
	text, err := os.ReadFile(filepath.Join(qdir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if err := json.Unmarshal(text, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("QEMU is still there: %v", err)
	}
}

func TestBootKeepsAllBytes(t *testing.T) {
	qemuIs(t, `printf 'console\0 \377' >&3; printf 'no record\n`+hello+`\ncut' >&4; echo complaint >&2`+"\n")
	dir := t.TempDir()
	var seen []string
	if _, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, dir, func(r wire.Record) { seen = append(seen, r.Type) }); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		wire.ConsoleFile: "console\x00 \xff",
		wire.RecordsFile: "no record\n" + hello + "\ncut",
		wire.QEMUFile:    "complaint\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
	if strings.Join(seen, " ") != "hello" {
		t.Errorf("watched %v, want the hello only", seen)
	}
}

func TestBootCannotWrite(t *testing.T) {
	qemuIs(t, "exec sleep 60\n")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, wire.RecordsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, dir, func(wire.Record) {})
	if err != nil || exit.Reason != wire.HostTrouble || exit.Text == "" {
		t.Errorf("got %+v, %v, want host trouble with a text", exit, err)
	}
}

func TestVersion(t *testing.T) {
	qemuIs(t, "")
	if line, err := Version(t.Context()); err != nil || line != "QEMU 0 (script)" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestCheck(t *testing.T) {
	qemuIs(t, "")
	if err := Check(); err != nil {
		t.Error(err)
	}
	t.Setenv("VMTEST_QEMU_APPEND", "-S")
	var missing *MissingError
	if err := Check(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "unset VMTEST_QEMU_APPEND") {
		t.Errorf("got %v, want a refusal that names the variable", err)
	}
}

func TestCheckWithoutQEMU(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var missing *MissingError
	if err := Check(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("got %v, want the next step", err)
	}
}

func TestChooseAccel(t *testing.T) {
	if c, err := ChooseAccel(t.Context(), TCG, Guest{Kernel: "k"}, plan, "", "", t.Logf); err != nil || c.Accel != TCG {
		t.Errorf("-accel tcg: got %+v, %v", c, err)
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		if c, err := ChooseAccel(t.Context(), Auto, Guest{Kernel: "k"}, plan, "", "", t.Logf); err != nil || c.Accel != TCG || c.Why == "" {
			t.Errorf("auto without /dev/kvm: got %+v, %v, want TCG and why", c, err)
		}
		if c, err := ChooseAccel(t.Context(), KVM, Guest{Kernel: "k"}, plan, "", "", t.Logf); err == nil {
			t.Errorf("-accel kvm without /dev/kvm: got %+v", c)
		}
		return
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		script string
		accel  string
	}{
		"a guest comes up":   {"echo '" + hello + "' " + records + "; exec sleep 60", KVM},
		"no guest comes up":  {"exit 1", TCG},
		"guest without word": {"echo boo " + records, TCG},
	} {
		t.Run(name, func(t *testing.T) {
			qemuIs(t, tc.script+"\n")
			memory := t.TempDir()
			choose := func(want string) (Choice, error) {
				return ChooseAccel(t.Context(), want, Guest{Kernel: "k"}, plan, memory, filepath.Join(t.TempDir(), "proof"), t.Logf)
			}
			c, err := choose(Auto)
			if err != nil || c.Accel != tc.accel {
				t.Fatalf("got %+v, %v, want %s", c, err, tc.accel)
			}
			if tc.accel == KVM {
				return
			}
			if c.Why == "" {
				t.Error("it does not say why KVM is out")
			}
			if _, err := choose(KVM); err == nil {
				t.Error("-accel kvm fell back silently")
			}
			// A guest that does not come up under TCG either proves nothing.
			if err := c.Learn(wire.Exit{}); err != nil || len(glob(t, memory)) != 0 {
				t.Errorf("a broken guest was held against KVM: %v", err)
			}
			if err := c.Learn(wire.Exit{BootS: 1}); err != nil || len(glob(t, memory)) != 1 {
				t.Errorf("it was not remembered: %v", err)
			}
			qemuIs(t, "echo '"+hello+"' "+records+"\n")
			if c, err := choose(Auto); err != nil || c.Accel != TCG {
				t.Errorf("later: got %+v, %v, want TCG from memory", c, err)
			}
		})
	}
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTSCRateIsSteady(t *testing.T) {
	a, b := tscKHz(), tscKHz()
	if a < 100_000 || a > 10_000_000 {
		t.Errorf("%d kHz is no rate of a time stamp counter", a)
	}
	if d := a - b; d > a/1000 || d < -a/1000 {
		t.Errorf("two measurements differ by more than 0.1 %%: %d and %d kHz", a, b)
	}
}
