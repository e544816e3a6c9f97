// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

const offsetsFile = "/proc/self/timens_offsets"

// Inside a time namespace timens_offsets shows the offsets that were written.
func TestOffsetsFileReadBack(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			p := timens.NewProgram(t)
			file := p.ReadFile(offsetsFile)
			timens.Run(t, timens.Unshared(ns.Offsets), p)
			if got, want := timens.Text(t, file), ns.Offsets.String(); got != want {
				t.Errorf("inside, %s is\n%swant\n%s", offsetsFile, got, want)
			}
		})
	}
}

// The columns of timens_offsets do not change by a single space, because programs
// parse them. The expected text is written out here, not made by package timens.
func TestOffsetsFileFormat(t *testing.T) {
	timens.Need(t)
	for _, test := range []struct{ name, write, want string }{
		{"new", "",
			"monotonic           0         0\nboottime            0         0\n"},
		{"small", "monotonic 1 2\nboottime 3 4\n",
			"monotonic           1         2\nboottime            3         4\n"},
		{"wide", "monotonic 4000000000 999999999\nboottime 1234567890 123456789\n",
			"monotonic  4000000000 999999999\nboottime   1234567890 123456789\n"},
		{"negative", "monotonic -1 700000000\nboottime -1 1\n",
			"monotonic          -1 700000000\nboottime           -1         1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			timens.WithPending(t, timens.Offsets{}, func() {
				if test.write != "" {
					if err := timens.Write(unix.Gettid(), test.write); err != nil {
						t.Fatalf("write %q: %v", test.write, err)
					}
				}
				if got := pendingText(t); got != test.want {
					t.Errorf("the file is\n%swant\n%s", got, test.want)
				}
			})
		})
	}
}

// timens_offsets can be read in pieces, and the last read returns 0.
func TestOffsetsFileReadInPieces(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Across, func() {
		file, err := os.Open(timens.OffsetsFile(unix.Gettid()))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var text strings.Builder
		if n, err := io.CopyBuffer(struct{ io.Writer }{&text}, struct{ io.Reader }{file}, make([]byte, 5)); err != nil {
			t.Errorf("read failed after %d bytes: %v", n, err)
		}
		if got, want := text.String(), timens.Across.String(); got != want {
			t.Errorf("five bytes at a time the file is\n%swant\n%s", got, want)
		}
		middle := make([]byte, 9)
		if _, err := file.ReadAt(middle, 32); err != nil || string(middle) != "boottime " {
			t.Errorf("the second line begins with %q, %v, want %q", middle, err, "boottime ")
		}
	})
}

// timens_offsets takes each clock by name or by number, and both in one write.
func TestOffsetsFileTakesClockIDs(t *testing.T) {
	timens.Need(t)
	want := timens.Ahead
	for name, words := range map[string][]string{
		"both":      {"monotonic", "1", "boottime", "7"},
		"monotonic": {"monotonic", "1"},
		"boottime":  {"boottime", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer(words...).Replace(want.String())
			timens.WithPending(t, timens.Offsets{}, func() {
				if err := timens.Write(unix.Gettid(), text); err != nil {
					t.Errorf("write %q: %v", text, err)
				}
				if got := pendingText(t); got != want.String() {
					t.Errorf("after %q the file is\n%swant\n%s", text, got, want)
				}
			})
		})
	}
}

// timens_offsets shows the namespace that the task's children will enter, not
// the one that the task is in.
func TestOffsetsFileShowsPending(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	before := p.ReadFile(offsetsFile)
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	write := p.WriteFile(offsetsFile, timens.Behind.String())
	after := p.ReadFile(offsetsFile)
	boot := p.ClockGettime(clock.Boottime, clock.Syscall)

	low := timens.Now(t, clock.Boottime)
	timens.Run(t, timens.Unshared(timens.Ahead), p)
	high := timens.Now(t, clock.Boottime)
	if err := unshare.Err(); err != nil {
		t.Fatalf("unshare(CLONE_NEWTIME): %v", err)
	}
	if err := write.Err(); err != nil {
		t.Fatalf("write %q: %v", timens.Behind, err)
	}
	if got := timens.Text(t, before); got != timens.Ahead.String() {
		t.Errorf("before unshare() the file is\n%swant\n%s", got, timens.Ahead)
	}
	if got := timens.Text(t, after); got != timens.Behind.String() {
		t.Errorf("after unshare() and a write the file is\n%swant\n%s", got, timens.Behind)
	}
	now := timens.Time(t, boot)
	if offset := (timens.Interval{Low: now - high, High: now - low}); !offset.Contains(timens.Ahead.Boottime) {
		t.Errorf("after both, boottime by the system call is off by %v, want the unchanged %v", offset, timens.Ahead.Boottime)
	}
}

// Each thread of a process has an offsets file of its own.
func TestOffsetsFileOfThreads(t *testing.T) {
	timens.Need(t)
	read := func(tid int) string {
		text, err := os.ReadFile(timens.OffsetsFile(tid))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	err := osthread.Run(func() error {
		other := unix.Gettid()
		timens.WithPending(t, timens.Across, func() {
			if got, want := read(unix.Gettid()), timens.Across.String(); got != want {
				t.Errorf("the file of the thread that called unshare() is\n%swant\n%s", got, want)
			}
			for _, tid := range []int{other, os.Getpid()} {
				if got, want := read(tid), (timens.Offsets{}).String(); got != want {
					t.Errorf("the file of thread %d is\n%swant\n%s", tid, got, want)
				}
			}
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// pendingText returns the offsets file of the calling thread.
func pendingText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(timens.OffsetsFile(unix.Gettid()))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
