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

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

// reports are the places that tell the time since boot, or of boot.
type reports struct {
	Uptime  time.Duration // /proc/uptime, in hundredths of a second
	Sysinfo time.Duration // sysinfo(), rounded up to seconds
	Btime   time.Duration // /proc/stat, rounded down to seconds
}

// measured are the reports of a namespace between two readings of the initial
// boottime.
type measured struct {
	reports
	before, after time.Duration
}

func measureReports(t *testing.T, offsets timens.Offsets) measured {
	t.Helper()
	before := timens.Now(t, clock.Boottime)
	got := probe.Run[reports](t, timens.Unshared(offsets), "reports", nil)
	return measured{got, before, timens.Now(t, clock.Boottime)}
}

func TestProcUptime(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			got := measureReports(t, ns.Offsets)
			low := (got.before + ns.Offsets.Boottime).Truncate(10 * time.Millisecond)
			high := got.after + ns.Offsets.Boottime
			if got.Uptime < low || got.Uptime > high {
				t.Errorf("uptime is %v, want it in [%v, %v]", got.Uptime, low, high)
			}
		})
	}
}

func TestSysinfoUptime(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			got := measureReports(t, ns.Offsets)
			low := got.before + ns.Offsets.Boottime
			high := got.after + ns.Offsets.Boottime + time.Second
			if got.Sysinfo < low || got.Sysinfo > high {
				t.Errorf("uptime is %v, want it in [%v, %v]", got.Sysinfo, low, high)
			}
		})
	}
}

// The time of boot moves against the offset: who has been up for longer was
// started earlier.
func TestProcStatBtime(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			initial, err := readBtime()
			if err != nil {
				t.Fatal(err)
			}
			got := measureReports(t, ns.Offsets).Btime
			exact := initial - ns.Offsets.Boottime
			// Both values are rounded down to seconds.
			if got <= exact-time.Second || got >= exact+time.Second {
				t.Errorf("btime is %v, want it within a second of %v", got, exact)
			}
		})
	}
}

// readReports is the probe "reports".
func readReports(any) (reports, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return reports{}, fmt.Errorf("sysinfo: %w", err)
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return reports{}, err
	}
	uptime, err := timens.ParseUptime(string(text))
	if err != nil {
		return reports{}, err
	}
	btime, err := readBtime()
	return reports{uptime, time.Duration(info.Uptime) * time.Second, btime}, err
}

func readBtime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			// The kernel prints a boot before 1970 as an unsigned number.
			sec, err := strconv.ParseUint(value, 10, 64)
			return time.Duration(int64(sec)) * time.Second, err
		}
	}
	return 0, errors.New("/proc/stat has no btime")
}
