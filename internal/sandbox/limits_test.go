// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/blame"
)

func TestParseLimits(t *testing.T) {
	for text, want := range map[string]Limits{
		"":                                    {},
		"none":                                {Unbounded, Unbounded, Unbounded, Unbounded, Unbounded, Unbounded},
		"processes=12":                        {Processes: 12},
		"memory=8GiB,time=90m":                {Memory: 8 << 30, Time: 90 * time.Minute},
		"disk=1.5GB,files=none,output=100000": {Disk: 1_500_000_000, Files: Unbounded, Output: 100_000},
		"time=none":                           {Time: Unbounded},
	} {
		if got, err := ParseLimits(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"cpus=4":                `"cpus" is none of processes, memory, disk, files, time, output`,
		"memory":                "memory=: this is no bound; type for example 8GiB, or none",
		"memory=8XB":            "memory=8XB: this is no bound",
		"memory=0":              "memory=0: this is no bound",
		"disk=20000PiB":         "disk=20000PiB: this is no bound",
		"processes=-1":          "processes=-1: this is no bound; type for example 500, or none",
		"time=4":                "time=4: this is no bound; type for example 2h, or none",
		"processes=5,none":      `"none" is none of`,
		"processes=5,,memory=1": `"" is none of`,
		"files=1e6":             "files=1e6: this is no bound",
	} {
		if got, err := ParseLimits(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want an error with %q", text, got, err, want)
		}
	}
}

// The bounds that a message advises can be given.
func TestFormatBytes(t *testing.T) {
	for _, n := range []int64{1, 1000, 1 << 20, 150 << 20, 3 << 30, 384 << 30} {
		l, err := ParseLimits("memory=" + formatBytes(n))
		if err != nil || l.Memory != n {
			t.Errorf("%d is written as %s, which is read as %d, %v", n, formatBytes(n), l.Memory, err)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	for _, tc := range []struct {
		cpus   int
		memory int64
		want   Limits
	}{
		{1, 2 << 30, Limits{544, 1536 << 20, 20 << 30, 500_000, 4 * time.Hour, 64 << 20}},
		{2, 4 << 30, Limits{576, 3 << 30, 20 << 30, 500_000, 4 * time.Hour, 64 << 20}},
		{128, 512 << 30, Limits{4608, 384 << 30, 20 << 30, 500_000, time.Hour, 64 << 20}},
	} {
		if got := defaultLimits(tc.cpus, tc.memory); got != tc.want {
			t.Errorf("%d CPUs and %d bytes: got %+v, want %+v", tc.cpus, tc.memory, got, tc.want)
		}
	}
	l, err := Limits{Processes: 7, Time: Unbounded}.orDefaults()
	if err != nil || l.Processes != 7 || l.Time != Unbounded || l.Memory < 100<<20 || l.Output != 64<<20 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestReadStatus(t *testing.T) {
	const status = "Name:\tcc1\nVmPeak:\t  999 kB\nVmRSS:\t  700 kB\nRssAnon:\t     100 kB\nRssFile:\t   500 kB\nRssShmem:\t      20 kB\nVmPTE:\t       3 kB\nVmSwap:\t       4 kB\nThreads:\t5\n"
	if threads, memory := readStatus([]byte(status)); threads != 5 || memory != 127<<10 {
		t.Errorf("got %d threads and %d bytes, want 5 and %d", threads, memory, 127<<10)
	}
	if threads, memory := readStatus([]byte("Name:\tkthread\nThreads:\t1\n")); threads != 1 || memory != 0 {
		t.Errorf("without memory: got %d threads and %d bytes", threads, memory)
	}
}

// A disk that is smaller than the bound is not filled, and is to blame itself.
func TestSmallDisk(t *testing.T) {
	for _, tc := range []struct{ free, disk, want int64 }{
		{100 << 30, 20 << 30, 20 << 30},
		{100 << 30, Unbounded, 99 << 30},
		{10 << 30, 20 << 30, 9 << 30},
		{5 << 30, Unbounded, 4608 << 20},
		{1 << 20, 20 << 30, 20 << 30},
		{1 << 20, Unbounded, math.MaxInt64},
	} {
		if got := allowed(tc.free, tc.disk); got != tc.want {
			t.Errorf("%d free, bound %d: got %d, want %d", tc.free, tc.disk, got, tc.want)
		}
	}
	g := guard{Cmd: &Cmd{Cmd: exec.Command("make"), limits: Limits{Disk: 20}}}
	if err := g.compare(holding{bytes: 10}, 11, "/d"); err != nil {
		t.Errorf("within the bounds: %v", err)
	}
	if err := g.compare(holding{bytes: 10}, 9, "/d"); !errors.Is(err, unix.ENOSPC) || blame.Of(err) != blame.Host {
		t.Errorf("on a small disk: %v", err)
	}
	if err := g.compare(holding{bytes: 20}, 20, "/d"); blame.Of(err) != blame.Kernel {
		t.Errorf("at the bound: %v", err)
	}
}
