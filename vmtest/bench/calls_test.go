// SPDX-License-Identifier: BSD-3-Clause

package bench

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"timens-vmtest/internal/wire"
)

// instructionNS is how much virtual time an instruction takes, see package vm.
const instructionNS = 16

// costRE matches a line that tests/cost logs.
var costRE = regexp.MustCompile(`(?m)cost: (\S+) (\d+)$`)

// BenchmarkCalls counts the instructions of calls that make a process, on the kernel of each
// series: fork(), a clone3() that does the same, one with a new time namespace, and one with offsets,
// each with the child's end and the wait for it. It prints the ratio of the first three to those of the
// unpatched kernel, and that of a clone3() with offsets to the way by /proc on the same kernel. It counts in the lane
// virtual, where each run has the same instructions. So one round is enough, and a busy machine
// changes nothing. The guests have no random addresses: the kernels would get other ones, and a fork
// of memory in other places has one per cent more instructions or less.
func BenchmarkCalls(b *testing.B) {
	w := newWorld(b)
	control := w.calls(b, "control")
	for _, series := range []string{"control", "fixes", "timens-offset", "inline-ns", "namespaces"} {
		b.Run(series, func(b *testing.B) {
			c := control
			if series != "control" {
				c = w.calls(b, series)
			}
			for name, ns := range c {
				b.ReportMetric(ns/instructionNS, "instructions/"+name)
			}
			for _, name := range []string{"fork", "clone3", "new-time"} {
				b.ReportMetric(c[name]/control[name], name+"/control")
			}
			if c["offsets"] > 0 {
				b.ReportMetric(c["offsets"]/c["by-file"], "offsets/by-file")
			}
			b.ReportMetric(0, "ns/op") // hides the time of all rounds together
		})
	}
}

// calls returns what each call costs on the kernel of a series, in nanoseconds of virtual time.
func (w *world) calls(b *testing.B, series string) map[string]float64 {
	b.Helper()
	dir := filepath.Join(w.tmp, "calls-"+series)
	w.do(w.vmtest(w.userCache, "run", "-series", series, "-tests", "tests/cost", "-lane", wire.Virtual, "-append", "norandmaps", "-append", "nokaslr", "-results", dir))
	text, err := os.ReadFile(filepath.Join(dir, "latest", wire.Virtual, "output", "cost.TestCalls.txt"))
	if err != nil {
		b.Fatal(err)
	}
	all := make(map[string]float64)
	for _, m := range costRE.FindAllStringSubmatch(string(text), -1) {
		if all[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"fork", "clone3", "new-time", "by-file"} {
		if all[name] <= 0 {
			b.Fatalf("the costs on %s are %v, and have no %s", series, all, name)
		}
	}
	return all
}
