// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// qemuIs puts a shell script in QEMU's place. $DIR is a folder for the script.
func qemuIs(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := "#!/bin/sh\nDIR=" + dir + "\nif [ \"$1\" = --version ]; then echo 'QEMU emulator version 7.2.22 (script)'; exit; fi\n" + script
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
	// A guest that hangs. It closes the monitor's port, so that nobody
	// waits for an answer there.
	hang = "exec sleep 60 5>&-"
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
		"by a caught signal":  {"echo 'qemu: terminating on signal 15 from pid 1 (x)' >&2", short(never, never, never), wire.Exit{Reason: wire.EndedItself, Signal: "SIGTERM"}},
		"no hello":            {hang, short(50*time.Millisecond, never, never), wire.Exit{Reason: wire.BootTimeout, Status: -1, Signal: "SIGKILL"}},
		"no start":            {"echo '" + hello + "' " + records + "; " + hang, Limits{never, never, 50 * time.Millisecond, never}, wire.Exit{Reason: wire.TestTimeout, Status: -1, Signal: "SIGKILL"}},
		"no end":              {"echo '" + hello + "\n" + start + "' " + records + "; " + hang, Limits{never, 50 * time.Millisecond, never, never}, wire.Exit{Reason: wire.TestTimeout, Status: -1, Signal: "SIGKILL"}},
		"asked to end":        {"echo '" + hello + "\n" + start + "' " + records + "; read -r line <&7; test \"$line\" = 'overdue 1' && exit 9", short(never, 400*time.Millisecond, never), wire.Exit{Reason: wire.EndedItself, Status: 9}},
		"no timer":            {"echo '" + hello + "\n" + start + "' " + records + "; printf 'warning: icount sleep disabled' >&2; echo ' and no active timers' >&2; " + hang, short(never, never, never), wire.Exit{Reason: wire.Stalled, Status: -1, Signal: "SIGKILL"}},
		"no timer at a reset": {"echo 'warning: icount sleep disabled and no active timers' >&2; sleep 0.1", short(never, never, never), wire.Exit{Reason: wire.EndedItself}},
		"too long as a whole": {hang, short(never, never, 50*time.Millisecond), wire.Exit{Reason: wire.RunTimeout, Status: -1, Signal: "SIGKILL"}},
	} {
		t.Run(name, func(t *testing.T) {
			qemuIs(t, tc.script+"\n")
			dir := t.TempDir()
			exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, tc.limits, dir, Observer{Record: func(wire.Record) {}})
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
	qdir := qemuIs(t, "echo $$ > $DIR/pid; echo '"+hello+"' "+records+"; "+hang+"\n")
	ctx, cancel := context.WithCancel(t.Context())
	exit, err := Boot(ctx, Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, t.TempDir(), Observer{Record: func(wire.Record) { cancel() }})
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
	if _, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, dir, Observer{Record: func(r wire.Record) { seen = append(seen, r.Type) }}); err != nil {
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
	exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, DefaultLimits, dir, Observer{Record: func(wire.Record) {}})
	if err != nil || exit.Reason != wire.HostTrouble || exit.Text == "" {
		t.Errorf("got %+v, %v, want host trouble with a text", exit, err)
	}
}

func TestVersion(t *testing.T) {
	qemuIs(t, "")
	if line, err := Version(t.Context()); err != nil || line != "QEMU emulator version 7.2.22 (script)" {
		t.Errorf("got %q, %v", line, err)
	}
	for name, tc := range map[string]struct{ script, want string }{
		"too old":       {"echo QEMU emulator version 6.2.0", "QEMU 6.2, and vmtest needs 7.2"},
		"older by far":  {"echo QEMU emulator version 2.11.1", "too old"},
		"newer":         {"echo QEMU emulator version 10.0.2", ""},
		"no version":    {"echo hello", `"hello", which names no version`},
		"does not load": {"echo libpixman-1.so.0: not found >&2; exit 127", "libpixman-1.so.0: not found; install it again"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, binary), []byte("#!/bin/sh\n"+tc.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		line, err := Version(t.Context())
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if missing := new(*MissingError); !errors.As(err, missing) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %q, %v, want an error with %q", name, line, err, tc.want)
		}
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

// kvmIs uses another file in place of /dev/kvm.
func kvmIs(t *testing.T, path string) {
	t.Helper()
	host := kvmDevice
	kvmDevice = path
	t.Cleanup(func() { kvmDevice = host })
}

// If KVM cannot be used, -accel auto uses TCG and says why, and -accel kvm
// fails and says what to do.
func TestChooseAccelWithoutKVM(t *testing.T) {
	if c, err := ChooseAccel(t.Context(), TCG, Guest{Kernel: "k"}, plan, "", "", t.Logf); err != nil || c.Accel != TCG {
		t.Errorf("-accel tcg: got %+v, %v", c, err)
	}
	dir := t.TempDir()
	// A socket: nobody can open it, not even root.
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): "kvm_intel",
		filepath.Join(dir, "socket"): "no such device or address",
		forbidden(t):                 "usermod -aG kvm",
	} {
		kvmIs(t, path)
		if c, err := ChooseAccel(t.Context(), Auto, Guest{Kernel: "k"}, plan, "", "", t.Logf); err != nil || c.Accel != TCG || !strings.Contains(c.Why, want) {
			t.Errorf("auto: got %+v, %v, want TCG and %q", c, err, want)
		}
		var missing *MissingError
		if c, err := ChooseAccel(t.Context(), KVM, Guest{Kernel: "k"}, plan, "", "", t.Logf); !errors.As(err, &missing) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pass -accel tcg") {
			t.Errorf("-accel kvm: got %+v, %v, want a MissingError with %q", c, err, want)
		}
	}
}

// forbidden returns a file that cannot be opened for writing, not even by root:
// a read-only file of sysfs.
func forbidden(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		path = "/sys/kernel/notes"
	}
	return path
}

func TestChooseAccelProvesKVM(t *testing.T) {
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kvmIs(t, device)
	patience := proofLimits
	proofLimits = short(time.Second, time.Second, time.Second)
	defer func() { proofLimits = patience }()
	for name, tc := range map[string]struct {
		script string
		accel  string
	}{
		"a guest comes up":  {"echo '" + hello + "' " + records + "; " + hang, KVM},
		"it hangs":          {"case \"$*\" in *'-accel kvm'*) " + hang + ";; esac; echo '" + hello + "' " + records, TCG},
		"no guest comes up": {"exit 1", TCG},
		"no record comes":   {"echo boo " + records, TCG},
	} {
		t.Run(name, func(t *testing.T) {
			qemuIs(t, tc.script+"\n")
			memory, proof := t.TempDir(), filepath.Join(t.TempDir(), "proof")
			choose := func(want string) (Choice, error) {
				return ChooseAccel(t.Context(), want, Guest{Kernel: "k"}, plan, memory, proof, t.Logf)
			}
			c, err := choose(Auto)
			if err != nil || c.Accel != tc.accel {
				t.Fatalf("got %+v, %v, want %s", c, err, tc.accel)
			}
			if _, err := os.Stat(filepath.Join(proof, wire.ExitFile)); err != nil {
				t.Errorf("the attempt left no evidence: %v", err)
			}
			if tc.accel == KVM {
				if c, err := choose(KVM); err != nil || c.Accel != KVM || len(glob(t, memory)) != 1 {
					t.Errorf("-accel kvm: got %+v, %v, want KVM from memory", c, err)
				}
				damage(t, glob(t, memory)[0], "true")
				return
			}
			if !strings.Contains(c.Why, proof) {
				t.Errorf("%q does not say where to look", c.Why)
			}
			if _, err := choose(KVM); err == nil {
				t.Error("-accel kvm fell back silently")
			}
			// A guest that does not boot under TCG either proves
			// nothing about KVM.
			if err := c.Learn(wire.Exit{}); err != nil || len(glob(t, memory)) != 0 {
				t.Errorf("KVM was blamed for a broken guest: %v", err)
			}
			if err := c.Learn(wire.Exit{BootS: 1}); err != nil || len(glob(t, memory)) != 1 {
				t.Errorf("it was not remembered: %v", err)
			}
			file := glob(t, memory)[0]
			qemuIs(t, "echo '"+hello+"' "+records+"\n")
			if c, err := choose(Auto); err != nil || c.Accel != TCG || !strings.Contains(c.Why, "delete "+file) {
				t.Errorf("later: got %+v, %v, want TCG from memory and how to forget it", c, err)
			}
			damage(t, file, "false")
		})
	}
}

// damage checks that no flipped bit in the remembered answer makes it the
// opposite one.
func damage(t *testing.T, file, says string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(text)) != says {
		t.Fatalf("%s holds %q, want %s", file, text, says)
	}
	for bit := range 8 * len(text) {
		flipped := bytes.Clone(text)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(file, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		if works, known, err := recall(file); known && works != (says == "true") || err != nil {
			t.Errorf("%q was taken for %t, %v", flipped, works, err)
		}
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

// A guest that gets no CPU of the host is not taken for one that hangs.
func TestLimitsSpareTheStarved(t *testing.T) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !set.IsSet(cpu) {
		cpu++
	}
	on := []string{"taskset", "-c", strconv.Itoa(cpu)}
	qemuIs(t, "exec "+strings.Join(on, " ")+" nice -n 19 sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo \"$0\" >&4; exit 9' '"+hello+"'\n")
	hog := exec.CommandContext(t.Context(), on[0], append(on[1:], "sh", "-c", "while :; do :; done")...)
	if err := hog.Start(); err != nil {
		t.Fatal(err)
	}
	const hogged, never = 4 * time.Second, time.Minute
	time.AfterFunc(hogged, func() { _ = hog.Process.Kill() })
	exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG}, plan, short(hogged/4, never, never), t.TempDir(), Observer{Record: func(wire.Record) {}})
	_ = hog.Wait() // it was killed
	if err != nil || exit.Reason != wire.EndedItself || exit.Status != 9 || exit.WaitedS < hogged.Seconds()/2 || exit.WaitedS > exit.DurationS {
		t.Errorf("got %+v, %v, want status 9, although there was no CPU for %v", exit, err, hogged)
	}
}
