// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Limits bound what one command in the sandbox may use. A member that is zero stands
// for its default, and Unbounded for no bound.
type Limits struct {
	Processes int64         // processes and threads at the same time
	Memory    int64         // bytes of memory of all processes together
	Disk      int64         // bytes that it writes to its folders; a file may have a quarter of that
	Files     int64         // files and folders that it makes
	Time      time.Duration // from its start to its end
	Output    int64         // bytes that it prints
}

// Unbounded is the value of a member of Limits that bounds nothing.
const Unbounded = -1

// LimitNames says for the help of a flag what ParseLimits reads.
const LimitNames = "processes, memory, disk, files, time, output"

// ParseLimits reads bounds such as "memory=8GiB,time=2h,disk=none". "none" alone takes
// all bounds away. Bounds that are not named have their defaults.
func ParseLimits(text string) (Limits, error) {
	var l Limits
	if text == "" {
		return l, nil
	}
	if text == "none" {
		return Limits{Unbounded, Unbounded, Unbounded, Unbounded, Unbounded, Unbounded}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		if err := l.set(name, value); err != nil {
			return Limits{}, err
		}
	}
	return l, nil
}

func (l *Limits) set(name, value string) error {
	var err error
	switch name {
	case "processes":
		l.Processes, err = number(value, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }, "500")
	case "memory":
		l.Memory, err = number(value, parseBytes, "8GiB")
	case "disk":
		l.Disk, err = number(value, parseBytes, "40GiB")
	case "files":
		l.Files, err = number(value, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }, "1000000")
	case "time":
		l.Time, err = number(value, time.ParseDuration, "2h")
	case "output":
		l.Output, err = number(value, parseBytes, "100MiB")
	default:
		return fmt.Errorf("%q is none of %s", name, LimitNames)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return nil
}

// number reads a positive value, or "none".
func number[T int64 | time.Duration](value string, parse func(string) (T, error), example string) (T, error) {
	if value == "none" {
		return Unbounded, nil
	}
	n, err := parse(value)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("this is no bound; type for example %s, or none", example)
	}
	return n, nil
}

func parseBytes(value string) (int64, error) {
	n, err := humanize.ParseBytes(value)
	if err == nil && n > math.MaxInt64 {
		err = strconv.ErrRange
	}
	return int64(n), err
}

// formatBytes writes a number of bytes as ParseLimits reads it.
func formatBytes(n int64) string {
	return strings.ReplaceAll(humanize.IBytes(uint64(n)), " ", "")
}

// orDefaults fills the members that are zero with the defaults of this machine.
func (l Limits) orDefaults() (Limits, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return l, fmt.Errorf("sysinfo: %w", err)
	}
	d := defaultLimits(runtime.NumCPU(), int64(info.Totalram)*int64(info.Unit))
	for _, m := range []struct{ is, instead *int64 }{
		{&l.Processes, &d.Processes}, {&l.Memory, &d.Memory}, {&l.Disk, &d.Disk}, {&l.Files, &d.Files}, {(*int64)(&l.Time), (*int64)(&d.Time)}, {&l.Output, &d.Output},
	} {
		if *m.is == 0 {
			*m.is = *m.instead
		}
	}
	return l, nil
}

// defaultLimits returns the bounds for a machine. No honest build comes near them.
func defaultLimits(cpus int, memory int64) Limits {
	return Limits{
		// A job of make is make, a shell, gcc, cc1 and as. Tools such as pahole and a
		// linker have a thread for each CPU.
		Processes: 512 + 32*int64(cpus),
		// The link of vmlinux with debug information takes 1.5 GiB, and a job of make
		// 200 MiB. A quarter is left for everything else.
		Memory: memory / 4 * 3,
		// The work folder of a kernel with debug information and gcov has 3 GB.
		Disk:  20 << 30,
		Files: 500_000, // an allmodconfig kernel has 60,000
		// Two CPUs build a distribution's kernel in two hours, eight in half an hour.
		Time: min(max(8*time.Hour/time.Duration(cpus), time.Hour), 4*time.Hour),
		// A kernel prints 2 MB, and 30 MB if make prints each command (V=1).
		Output: 64 << 20,
	}
}
