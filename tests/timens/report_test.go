// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// reports has everything that shows the time since boot or the time of the boot,
// and readings of the reporter's clocks before and after.
type reports struct {
	Uptime, Idle time.Duration // /proc/uptime, in hundredths of a second, rounded down
	Sysinfo      time.Duration // sysinfo(), in seconds, rounded up
	Btime        time.Duration // /proc/stat, in seconds, rounded down
	Realtime     timens.Interval
	Boottime     timens.Interval
}

const hundredth = 10 * time.Millisecond

// roundDown is Truncate, but rounds down negative times, too. roundUp rounds up.
func roundDown(d, to time.Duration) time.Duration {
	down := d.Truncate(to)
	if down > d {
		down -= to
	}
	return down
}

func roundUp(d, to time.Duration) time.Duration { return -roundDown(-d, to) }

// measureReports returns the reports of a child, and the initial boottime
// before and after.
func measureReports(t *testing.T, offsets timens.Offsets) (got reports, initial timens.Interval) {
	t.Helper()
	timens.Need(t)
	initial.Low = timens.Now(t, clock.Boottime)
	got = probe.Run[reports](t, timens.Unshared(offsets), "reports", nil)
	initial.High = timens.Now(t, clock.Boottime)
	return got, initial
}

// The first field of /proc/uptime has the offset of CLOCK_BOOTTIME.
func TestProcUptime(t *testing.T) {
	for _, ns := range timens.Examples {
		got, initial := measureReports(t, ns.Offsets)
		offset := ns.Offsets.Boottime
		want := timens.Interval{Low: (initial.Low + offset).Truncate(hundredth), High: initial.High + offset}
		if !want.Contains(got.Uptime) {
			t.Errorf("/proc/uptime (offset %v): %v, want it in %v", offset, got.Uptime, want)
		}
	}
}

// Idle time, the second field of /proc/uptime, is not a time since boot and is
// not shifted.
func TestProcUptimeIdleUnshifted(t *testing.T) {
	for _, ns := range timens.Examples {
		before, err := readReports(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := measureReports(t, ns.Offsets)
		after, err := readReports(nil)
		if err != nil {
			t.Fatal(err)
		}
		const slack = 50 * time.Millisecond // idle time sometimes steps back a little
		want := timens.Interval{Low: before.Idle - slack, High: after.Idle + slack}
		if !want.Contains(got.Idle) {
			t.Errorf("idle time in /proc/uptime (offset %v): %v, want it in %v as outside", ns.Offsets.Boottime, got.Idle, want)
		}
	}
}

// The uptime of sysinfo() has the offset of CLOCK_BOOTTIME.
func TestSysinfoUptime(t *testing.T) {
	for _, ns := range timens.Examples {
		got, initial := measureReports(t, ns.Offsets)
		offset := ns.Offsets.Boottime
		want := timens.Interval{Low: roundUp(initial.Low+offset, time.Second), High: roundUp(initial.High+offset, time.Second)}
		if !want.Contains(got.Sysinfo) {
			t.Errorf("sysinfo() (offset %v): up for %v, want it in %v", offset, got.Sysinfo, want)
		}
	}
}

// The btime in /proc/stat is earlier by the offset of CLOCK_BOOTTIME: a machine
// that has been up for longer was booted earlier.
func TestProcStatBtime(t *testing.T) {
	for _, ns := range timens.Examples {
		before, boot := timens.Now(t, clock.Realtime), timens.Now(t, clock.Boottime)
		after := timens.Now(t, clock.Realtime)
		got, _ := measureReports(t, ns.Offsets)
		offset := ns.Offsets.Boottime
		want := timens.Interval{
			Low:  roundDown(before-boot-offset, time.Second),
			High: roundDown(after-boot-offset, time.Second),
		}
		if !want.Contains(got.Btime) {
			t.Errorf("btime in /proc/stat (offset %v): %v, want it in %v", offset, got.Btime, want)
		}
	}
}

// In a time namespace /proc/uptime, sysinfo() and btime agree with the clocks of
// the namespace.
func TestReportsAgree(t *testing.T) {
	for _, ns := range timens.Examples {
		got, _ := measureReports(t, ns.Offsets)
		uptime := timens.Interval{Low: got.Boottime.Low.Truncate(hundredth), High: got.Boottime.High}
		if !uptime.Contains(got.Uptime) {
			t.Errorf("/proc/uptime (offset %v): %v, want it in %v as boottime", ns.Offsets.Boottime, got.Uptime, uptime)
		}
		sysinfo := timens.Interval{Low: roundUp(got.Boottime.Low, time.Second), High: roundUp(got.Boottime.High, time.Second)}
		if !sysinfo.Contains(got.Sysinfo) {
			t.Errorf("sysinfo() (offset %v): up for %v, want it in %v as boottime", ns.Offsets.Boottime, got.Sysinfo, sysinfo)
		}
		btime := timens.Interval{
			Low:  roundDown(got.Realtime.Low-got.Boottime.High, time.Second),
			High: roundDown(got.Realtime.High-got.Boottime.Low, time.Second),
		}
		if !btime.Contains(got.Btime) {
			t.Errorf("btime in /proc/stat (offset %v): %v, want it in %v, realtime less boottime", ns.Offsets.Boottime, got.Btime, btime)
		}
	}
}

// /proc/PID/stat shows the start time on the reader's clock, whatever namespace
// the process is in.
func TestProcPidStatStartTime(t *testing.T) {
	timens.Need(t)
	self := fmt.Sprintf("/proc/%d/stat", os.Getpid())
	outside := func(path string) time.Duration {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		start, err := startTime(string(text))
		if err != nil {
			t.Fatal(err)
		}
		return start
	}
	for _, ns := range timens.Examples {
		p := timens.NewProgram(t)
		own, parents := p.ReadFile("/proc/self/stat"), p.ReadFile(self)
		if err := p.Pause(); err != nil {
			t.Fatal(err)
		}
		before := timens.Now(t, clock.Boottime)
		child := start(t, timens.Unshared(ns.Offsets), p)
		after := timens.Now(t, clock.Boottime)
		parent, seen := outside(self), outside(fmt.Sprintf("/proc/%d/stat", child.PID))
		finish(t, child)
		inside := func(c clone.Contents) time.Duration {
			got, err := startTime(timens.Text(t, c))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		offset := ns.Offsets.Boottime
		for _, check := range []struct {
			whose     string
			got       time.Duration
			low, high time.Duration
		}{
			{"the child's, read outside", seen, before, after},
			{"the child's, read by itself", inside(own), before + offset, after + offset},
			{"the parent's, read inside", inside(parents), parent + offset, parent + tick - 1 + offset},
		} {
			want := timens.Interval{Low: check.low.Truncate(tick), High: check.high.Truncate(tick)}
			if !want.Contains(check.got) {
				t.Errorf("start time in /proc/PID/stat (offset %v), %s: %v, want it in %v", offset, check.whose, check.got, want)
			}
		}
	}
}

// readReports is the probe "reports".
func readReports(any) (got reports, err error) {
	if err := readBoth(&got.Realtime.Low, &got.Boottime.Low); err != nil {
		return got, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return got, fmt.Errorf("sysinfo: %w", err)
	}
	got.Sysinfo = time.Duration(info.Uptime) * time.Second
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return got, err
	}
	if got.Uptime, err = timens.ParseUptime(string(text)); err != nil {
		return got, err
	}
	_, idle, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if got.Idle, err = time.ParseDuration(idle + "s"); err != nil {
		return got, err
	}
	if got.Btime, err = readBtime(); err != nil {
		return got, err
	}
	return got, readBoth(&got.Realtime.High, &got.Boottime.High)
}

func readBoth(realtime, boottime *time.Duration) (err error) {
	if *realtime, err = clock.Read(clock.Realtime, clock.Syscall); err != nil {
		return err
	}
	*boottime, err = clock.Read(clock.Boottime, clock.Syscall)
	return err
}

func readBtime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			// The kernel prints a boot before 1970 as an unsigned
			// number.
			sec, err := strconv.ParseUint(value, 10, 64)
			return time.Duration(int64(sec)) * time.Second, err
		}
	}
	return 0, errors.New("/proc/stat has no btime")
}
