// Package timens makes time namespaces in the way that needs no patch:
// unshare(), a write to /proc/PID/timens_offsets, and fork().
package timens

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
)

// Offsets are what a time namespace adds to the clocks of the initial one.
type Offsets struct {
	Monotonic, Boottime time.Duration
}

// Of returns the offset that a clock has in the namespace: every kind of
// monotonic clock follows one, boottime the other, and the rest none.
func (o Offsets) Of(id clock.ID) time.Duration {
	switch id {
	case clock.Monotonic, clock.MonotonicRaw, clock.MonotonicCoarse:
		return o.Monotonic
	case clock.Boottime, clock.BoottimeAlarm:
		return o.Boottime
	}
	return 0
}

// String returns the offsets as /proc/PID/timens_offsets shows and takes them.
func (o Offsets) String() string {
	line := func(id clock.ID, d time.Duration) string {
		sec, nsec := Split(d)
		return fmt.Sprintf("%-10v %10d %9d\n", id, sec, nsec)
	}
	return line(clock.Monotonic, o.Monotonic) + line(clock.Boottime, o.Boottime)
}

// Split returns d as the kernel wants it: nanoseconds are never negative, so
// that -0.3 s is -1 s + 700000000 ns.
func Split(d time.Duration) (sec, nsec int64) {
	sec, nsec = int64(d/time.Second), int64(d%time.Second)
	if nsec < 0 {
		sec, nsec = sec-1, nsec+int64(time.Second)
	}
	return sec, nsec
}

// OffsetsFile returns the path of a task's offsets file. /proc/thread-self and
// /proc/PID/task have none, so the path for a thread is that of its id.
func OffsetsFile(tid int) string { return fmt.Sprintf("/proc/%d/timens_offsets", tid) }

// ReadOffsets returns the offsets that the calling process's file shows.
func ReadOffsets() (Offsets, error) {
	text, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil {
		return Offsets{}, err
	}
	var mono, boot unix.Timespec
	_, err = fmt.Sscanf(string(text), "monotonic %d %d\nboottime %d %d\n", &mono.Sec, &mono.Nsec, &boot.Sec, &boot.Nsec)
	if err != nil {
		return Offsets{}, fmt.Errorf("timens_offsets is %q: %w", text, err)
	}
	return Offsets{Monotonic: time.Duration(mono.Nano()), Boottime: time.Duration(boot.Nano())}, nil
}

// Write writes text to the offsets file of a process or thread. The error is a bare unix.Errno.
func Write(tid int, text string) error {
	fd, err := unix.Open(OffsetsFile(tid), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
