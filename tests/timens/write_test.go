// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// timens_offsets accepts at most two lines with a clock, seconds and
// nanoseconds.
func TestOffsetsFileTakes(t *testing.T) {
	timens.Need(t)
	before := timens.Behind
	both := timens.Offsets{Monotonic: 3*time.Second + 4, Boottime: 5*time.Second + 6}
	mono := timens.Offsets{Monotonic: both.Monotonic, Boottime: before.Boottime}
	boot := timens.Offsets{Monotonic: before.Monotonic, Boottime: both.Boottime}
	const two = "monotonic 3 4\nboottime 5 6\n"
	for _, test := range []struct {
		name, text string
		taken      int
		want       timens.Offsets
	}{
		{"monotonic", "monotonic 3 4\n", all, mono},
		{"boottime", "boottime 5 6\n", all, boot},
		{"both", two, all, both},
		{"boottime first", "boottime 5 6\nmonotonic 3 4\n", all, both},
		{"no newline", "monotonic 3 4", all, mono},
		{"no newline behind two", strings.TrimSpace(two), all, both},
		{"white space", " \tmonotonic  3 \t 4  \n", all, mono},
		{"leading zeros", "monotonic 003 0000000004\n", all, mono},
		{"words behind the numbers", "monotonic 3 4 5 six\n", all, mono},
		{"nothing between nine characters and a number", "monotonic3 4\n", all, mono},
		{"same clock twice", "monotonic 9 9\nmonotonic 3 4\n", all, mono},
		{"most nanoseconds", "boottime 0 999999999\n", all, timens.Offsets{Monotonic: before.Monotonic, Boottime: 999999999}},
		{"zero", "monotonic 0 0\n", all, timens.Offsets{Boottime: before.Boottime}},
		{"three lines", two + "monotonic 7 8\n", len(two), both},
		{"nonsense behind two", two + "nonsense", len(two), both},
		{"empty line behind two", two + "\n", len(two), both},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.taken == all {
				test.taken = len(test.text)
			}
			timens.WithPending(t, before, func() {
				file := openPending(t, unix.O_WRONLY)
				defer unix.Close(file)
				if n, err := unix.Write(file, []byte(test.text)); n != test.taken || err != nil {
					t.Errorf("write %q: took %d bytes, %v, want %d", test.text, n, err, test.taken)
				}
				if got := pendingText(t); got != test.want.String() {
					t.Errorf("after write %q the file is\n%swant\n%s", test.text, got, test.want)
				}
			})
		})
	}
}

// all means every byte of a text.
const all = -1

// A write to timens_offsets that is refused changes neither clock, even if its
// first line is valid.
func TestOffsetsFileRefuses(t *testing.T) {
	timens.Need(t)
	tooEarly := -int64(timens.Now(t, clock.Boottime)/time.Second) - 60
	tests := []struct {
		name, text string
		want       unix.Errno
	}{
		{"nothing", "", unix.EINVAL},
		{"newline", "\n", unix.EINVAL},
		{"space", "   ", unix.EINVAL},
		{"empty line first", "\nmonotonic 1 0\n", unix.EINVAL},
		{"empty line between", "monotonic 1 0\n\nboottime 1 0\n", unix.EINVAL},
		{"empty line behind one", "monotonic 1 0\n\n", unix.EINVAL},
		{"no seconds", "monotonic\n", unix.EINVAL},
		{"no nanoseconds", "monotonic 1\n", unix.EINVAL},
		{"nanoseconds on the next line", "monotonic 1\n0\n", unix.EINVAL},
		{"no clock", "1 0\n", unix.EINVAL},
		{"realtime", "realtime 1 0\n", unix.EINVAL},
		{"realtime by number", "0 1 0\n", unix.EINVAL},
		{"raw by number", "4 1 0\n", unix.EINVAL},
		{"coarse by number", "6 1 0\n", unix.EINVAL},
		{"boottime_alarm by number", "9 1 0\n", unix.EINVAL},
		{"number with a zero", "01 1 0\n", unix.EINVAL},
		{"number with a sign", "-1 1 0\n", unix.EINVAL},
		{"raw", "monotonic_raw 1 0\n", unix.EINVAL},
		{"name too short", "monotoni 1 0\n", unix.EINVAL},
		{"name of nine too long", "monotonics 1 0\n", unix.EINVAL},
		{"name of eight too long", "boottimes 1 0\n", unix.EINVAL},
		{"name of eight and a number", "boottime1 0 0\n", unix.EINVAL},
		{"capitals", "Monotonic 1 0\n", unix.EINVAL},
		{"nanoseconds too many", "monotonic 0 1000000000\n", unix.EINVAL},
		{"nanoseconds too many by far", "monotonic 0 9223372036854775807\n", unix.EINVAL},
		{"nanoseconds negative", "boottime 0 -1\n", unix.EINVAL},
		{"nanoseconds that are -1 in 64 bits", "monotonic 0 18446744073709551615\n", unix.EINVAL},
		{"boottime's nanoseconds -1 in 64 bits", "boottime 0 18446744073709551615\n", unix.EINVAL},
		{"no number", "monotonic one 0\n", unix.EINVAL},
		{"plus", "monotonic +1 0\n", unix.EINVAL},
		{"fraction", "monotonic 1.5 0\n", unix.EINVAL},
		{"hexadecimal", "monotonic 0x1 0\n", unix.EINVAL},
		{"good and bad", "monotonic 5 5\nboottime 0\n", unix.EINVAL},
		{"good and -1 in 64 bits", "monotonic 5 5\nboottime 0 18446744073709551615\n", unix.EINVAL},
		{"before the epoch", fmt.Sprintf("monotonic %d 0\n", tooEarly), unix.ERANGE},
		{"good and before the epoch", fmt.Sprintf("monotonic 5 5\nboottime %d 0\n", tooEarly), unix.ERANGE},
		{"clock too large", "monotonic 4611686019 0\n", unix.ERANGE},
		{"offset too large", "boottime 9223372037 0\n", unix.ERANGE},
		{"offset too small", "boottime -9223372037 0\n", unix.ERANGE},
		{"largest number", fmt.Sprintf("monotonic %d 999999999\n", int64(math.MaxInt64)), unix.ERANGE},
		{"smallest number", fmt.Sprintf("monotonic %d 0\n", int64(math.MinInt64)), unix.ERANGE},
	}
	want := timens.Ahead
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			timens.WithPending(t, want, func() {
				if err := timens.Write(unix.Gettid(), test.text); err != test.want {
					t.Errorf("write %q: %v, want %v", test.text, err, test.want)
				}
				if got := pendingText(t); got != want.String() {
					t.Errorf("after write %q the file is\n%swant\n%s", test.text, got, want)
				}
			})
		})
	}
}

// If the seconds are out of range and the nanoseconds are negative, a write to
// timens_offsets fails with ERANGE: the seconds are checked first.
func TestOffsetsFileSecondsFirst(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Ahead, func() {
		for _, id := range timens.Clocks {
			text := fmt.Sprintf("%v 9223372037 18446744073709551615\n", id) // -1 in 64 bits
			if err := timens.Write(unix.Gettid(), text); err != unix.ERANGE {
				t.Errorf("write %q: %v, want %v", text, err, unix.ERANGE)
			}
		}
	})
}

// timens_offsets accepts only a write at position 0. A write does not move the
// position, so one descriptor can be used to write a line at a time.
func TestOffsetsFilePosition(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Offsets{}, func() {
		file := openPending(t, unix.O_RDWR)
		defer unix.Close(file)
		write := func(when, text string, want error) {
			t.Helper()
			if _, err := unix.Write(file, []byte(text)); err != want {
				t.Errorf("write %q %s: %v, want %v", text, when, err, error(want))
			}
		}
		write("first", "monotonic 3 4\n", nil)
		write("behind another", "boottime 5 6\n", nil)
		if n, err := unix.Pread(file, make([]byte, 512), 0); n == 0 || err != nil {
			t.Errorf("pread: %d bytes, %v", n, err)
		}
		write("after pread()", "boottime 7 8\n", nil)
		if n, err := unix.Read(file, make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read: %d bytes, %v", n, err)
		}
		write("after read()", "boottime 1 1\n", unix.EINVAL)
		for position, want := range map[int64]error{1: unix.EINVAL, 0: nil, timens.PageSize: unix.EINVAL} {
			if _, err := unix.Seek(file, position, unix.SEEK_SET); err != nil {
				t.Errorf("lseek to %d: %v", position, err)
			}
			write(fmt.Sprintf("at %d", position), "monotonic 9 10\n", want)
		}
		if n, err := unix.Pwrite(file, []byte("boottime 1 1\n"), 0); err != unix.ESPIPE {
			t.Errorf("pwrite: %d, %v, want %v", n, err, unix.ESPIPE)
		}
		want := timens.Offsets{Monotonic: 9*time.Second + 10, Boottime: 7*time.Second + 8}
		if got := pendingText(t); got != want.String() {
			t.Errorf("after all writes the file is\n%swant\n%s", got, want)
		}
	})
}

// A write of a page or more to timens_offsets is refused.
func TestOffsetsFileWriteSize(t *testing.T) {
	timens.Need(t)
	for size, want := range map[int]error{
		timens.PageSize - 1: nil,
		timens.PageSize:     unix.EINVAL,
		timens.PageSize + 1: unix.EINVAL,
		1 << 20:             unix.EINVAL,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			text := "monotonic" + strings.Repeat(" ", size-len("monotonic3 4\n")) + "3 4\n"
			timens.WithPending(t, timens.Ahead, func() {
				after := timens.Ahead
				if want == nil {
					after.Monotonic = 3*time.Second + 4
				}
				if err := timens.Write(unix.Gettid(), text); err != want {
					t.Errorf("write of %d bytes: %v, want %v", size, err, want)
				}
				if got := pendingText(t); got != after.String() {
					t.Errorf("after a write of %d bytes the file is\n%swant\n%s", size, got, after)
				}
			})
		})
	}
}

// A write to timens_offsets from memory that cannot be read to its end fails with
// EFAULT and changes nothing.
func TestOffsetsFileWriteUnreadable(t *testing.T) {
	timens.Need(t)
	const text = "monotonic 3 4\n"
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, []byte(text)...)
	timens.WithPending(t, timens.Ahead, func() {
		file := openPending(t, unix.O_WRONLY)
		defer unix.Close(file)
		write := func(from, size int) error {
			_, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(file), uintptr(unsafe.Pointer(&mem[from])), uintptr(size))
			if errno != 0 {
				return errno
			}
			return nil
		}
		begin := timens.PageSize - len(text)
		if err := write(begin, len(text)+1); err != unix.EFAULT {
			t.Errorf("write that ends beyond readable memory: %v, want %v", err, unix.EFAULT)
		}
		if err := write(timens.PageSize, len(text)); err != unix.EFAULT {
			t.Errorf("write of unreadable memory: %v, want %v", err, unix.EFAULT)
		}
		if got := pendingText(t); got != timens.Ahead.String() {
			t.Errorf("after the writes the file is\n%swant\n%s", got, timens.Ahead)
		}
		if err := write(begin, len(text)); err != nil {
			t.Errorf("write that ends with readable memory: %v", err)
		}
	})
}

// openPending opens the offsets file of the calling thread. The caller closes
// it with unix.Close.
func openPending(t *testing.T, flags int) int {
	t.Helper()
	file, err := unix.Open(timens.OffsetsFile(unix.Gettid()), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
