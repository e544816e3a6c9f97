// SPDX-License-Identifier: BSD-3-Clause

package canary

import (
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// TestLoop keeps every CPU busy and ignores the request to end.
func TestLoop(t *testing.T) {
	inGuest(t)
	signal.Ignore(unix.SIGQUIT)
	for range runtime.NumCPU() {
		go func() {
			//lint:ignore SA5002 a loop that never ends is what this test is for
			for {
			}
		}()
	}
	select {}
}

// TestForkBomb forks until the kernel refuses, and leaves its children behind. All
// children also fork until the kernel refuses. The limit on processes leaves
// enough memory for all of them.
func TestForkBomb(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sys/kernel/threads-max", "1000")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	refused := w.Fd()
	pid, _, errno := unix.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if pid == 0 && errno == 0 {
		bomb(refused)
	}
	if errno != 0 {
		t.Fatal(errno)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// bomb forks until fork() fails, reports that, and stays. It runs in a child of
// fork() without a Go runtime, so it may only make system calls.
func bomb(refused uintptr) {
	for {
		if _, _, errno := unix.RawSyscall(unix.SYS_FORK, 0, 0, 0); errno != 0 {
			break
		}
	}
	word := [1]byte{'!'}
	unix.RawSyscall(unix.SYS_WRITE, refused, uintptr(unsafe.Pointer(&word)), 1)
	for {
		unix.RawSyscall(unix.SYS_PAUSE, 0, 0, 0)
	}
}

// trapped is what a 32-bit program prints of the Go runtime that QEMU's emulation ends. No CPU has these flags.
const trapped = "SIGTRAP: trace trap\nPC=0x8096945 m=0 sigcode=2\n\neax    0x0\neflags 0xfffcf7ae\ncs     0x23\n"

// TestTrapped ends as if QEMU's emulation had ended it, each time that it runs.
func TestTrapped(t *testing.T) {
	inGuest(t)
	claim("/proc/self/fd/1", trapped)
	unix.Exit(2)
}

// TestTrappedOnce ends as if QEMU's emulation had ended it, and passes when it runs again.
func TestTrappedOnce(t *testing.T) {
	inGuest(t)
	if strings.Count(kernelLog(t), "vmtest: start canary."+t.Name()+"\n") == 1 {
		claim("/proc/self/fd/1", trapped)
		unix.Exit(2)
	}
}

// kernelLog returns what the kernel has logged since it booted.
func kernelLog(t *testing.T) string {
	t.Helper()
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var all strings.Builder
	record := make([]byte, 8192)
	for {
		n, err := unix.Read(fd, record)
		if err == unix.EAGAIN {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		all.Write(record[:n])
	}
}

// TestKillUinit kills uinit, which writes the records.
func TestKillUinit(t *testing.T) {
	inGuest(t)
	if err := unix.Kill(os.Getppid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
}

// TestStopUinit stops uinit, which should end this test at its timeout. Only
// the host can end it then.
func TestStopUinit(t *testing.T) {
	inGuest(t)
	if err := unix.Kill(os.Getppid(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
}

// TestOneLongLine prints 10 MB without a single newline, and passes.
func TestOneLongLine(t *testing.T) {
	chunk := strings.Repeat("0123456789abcdef", 1<<12)
	for range 160 {
		if _, err := os.Stdout.WriteString(chunk); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForgedLines fails, but writes the lines of a pass everywhere except to
// the records' UART.
func TestForgedLines(t *testing.T) {
	inGuest(t)
	for _, path := range append(terminals(t, wire.RecordTTY), "/dev/kmsg", "/proc/self/fd/1") {
		claim(path, "\n\x16--- PASS: "+t.Name()+" (0.00s)\n\x16PASS\n--- PASS: "+t.Name()+" (0.00s)\nPASS\nok\n")
	}
	t.Error("this fails on purpose")
}

// TestForgedExit fails, but first prints the lines of a pass and then ends its
// process before the failure can be printed.
func TestForgedExit(t *testing.T) {
	inGuest(t)
	t.Error("this fails on purpose")
	claim("/proc/self/fd/1", "\x16--- PASS: "+t.Name()+" (0.00s)\n\x16PASS\n")
	os.Exit(0)
}

// TestForgedRecords fails, but writes the records of a pass to every terminal.
func TestForgedRecords(t *testing.T) {
	inGuest(t)
	forged := forgedRecords(t)
	for _, path := range terminals(t, "") {
		claim(path, forged)
	}
	t.Error("this fails on purpose")
}

// TestForgedStream tries the only forgery that could be believed: it stops
// uinit, writes all the records that uinit would write, and resets the machine.
func TestForgedStream(t *testing.T) {
	inGuest(t)
	forged := forgedRecords(t)
	if err := unix.Kill(os.Getppid(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	claim(wire.RecordTTY, forged)
	time.Sleep(time.Second) // until the UART is empty
	t.Fatal(unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

// terminals returns the devices of consoles and UARTs, except the one named.
func terminals(t *testing.T, but string) []string {
	found, err := filepath.Glob("/dev/ttyS*")
	if err != nil || len(found) == 0 {
		t.Fatalf("found %v, %v, want UARTs", found, err)
	}
	paths := []string{"/dev/console"}
	for _, path := range found {
		if path != but {
			paths = append(paths, path)
		}
	}
	return paths
}

// claim writes text to path if the device exists. The kernel names four UARTs, but
// the machine has two.
func claim(path, text string) {
	if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
		_, _ = f.WriteString(text)
		_ = f.Close()
	}
}

// forgedRecords continues the stream at the point where uinit is: it has
// written hello, the start of this test and one line of output.
func forgedRecords(t *testing.T) string {
	time.Sleep(time.Second) // until uinit has written that
	text, err := os.ReadFile(wire.PlanPath)
	if err != nil {
		t.Fatal(err)
	}
	var plan wire.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	out := json.NewEncoder(&b)
	seq := 3
	add := func(r wire.Record) {
		r.Seq, r.UptimeS, r.Taint = seq, float64(now.Sec), new(int64)
		if err := out.Encode(r); err != nil {
			t.Fatal(err)
		}
		seq++
	}
	for i, test := range plan.Tests {
		if i > 0 {
			add(wire.Record{Type: wire.TypeStart, TestID: &test.TestID})
		}
		add(wire.Record{Type: wire.TypeOutput, TestID: &test.TestID, Data: []byte("\x16--- PASS: " + test.Name + " (0.00s)\n")})
		add(wire.Record{Type: wire.TypeEnd, TestID: &test.TestID, End: new(wire.End)})
	}
	count, rtc := len(plan.Tests), time.Now().Unix()
	add(wire.Record{Type: wire.TypeDone, Count: &count, Key: "forged", RTC: &rtc})
	return b.String()
}
