// SPDX-License-Identifier: BSD-3-Clause

// Package timens makes time namespaces without any patch: with unshare(), a
// write to /proc/PID/timens_offsets, and fork().
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

// Of returns a clock's offset in the namespace. All kinds of CLOCK_MONOTONIC
// have one offset, both kinds of CLOCK_BOOTTIME the other, and other clocks
// have none.
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

// Split returns d as the kernel takes it, with nanoseconds that are not
// negative: -0.3 s is -1 s + 700000000 ns.
func Split(d time.Duration) (sec, nsec int64) {
	sec, nsec = int64(d/time.Second), int64(d%time.Second)
	if nsec < 0 {
		sec, nsec = sec-1, nsec+int64(time.Second)
	}
	return sec, nsec
}

// OffsetsFile returns the path of a task's offsets file. A thread's is below
// its own ID, because /proc/thread-self and /proc/PID/task have none.
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

// Write writes text to the offsets file of a process or thread. It returns the
// unix.Errno, not wrapped.
func Write(tid int, text string) error {
	fd, err := unix.Open(OffsetsFile(tid), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
