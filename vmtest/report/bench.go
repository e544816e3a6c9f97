// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"timens-vmtest/vmtest/verdict"
)

// BenchFile has the figures of a run, or of all cells of a night, in Go's benchmark format,
// which benchstat reads.
const BenchFile = "bench.txt"

// Benchmark is one line of BenchFile.
type Benchmark struct {
	Name    []Key              // what was measured, such as base, series and lane
	Figures map[string]float64 // by names with the unit behind the last underscore, such as boot_s
}

// Key is a name with a value. benchstat can group and filter by it.
type Key struct{ Name, Value string }

// units are the units of figures, as benchstat writes them.
var units = map[string]string{"s": "sec", "bytes": "B"}

// notInBenchmark matches what a value in the name of a benchmark cannot have.
var notInBenchmark = regexp.MustCompile(`[^\w.+-]`)

// Benchmarks returns benchmarks in Go's format. Those without a figure are left out. There are no
// lines of configuration, such as the time: benchstat would not compare two runs in which these
// differ.
func Benchmarks(all []Benchmark) ([]byte, error) {
	var b bytes.Buffer
	w := benchfmt.NewWriter(&b)
	for _, one := range all {
		if len(one.Figures) == 0 {
			continue
		}
		r := &benchfmt.Result{Name: benchfmt.Name("Vmtest"), Iters: 1}
		for _, k := range one.Name {
			r.Name = append(r.Name, "/"+k.Name+"="+notInBenchmark.ReplaceAllString(k.Value, "_")...)
		}
		for _, name := range slices.Sorted(maps.Keys(one.Figures)) {
			at := strings.LastIndexByte(name, '_')
			r.Values = append(r.Values, benchfmt.Value{Value: one.Figures[name], Unit: name[:at] + "-" + units[name[at+1:]]})
		}
		if err := w.Write(r); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// bench returns the figures of a run: a benchmark for each lane that booted.
func bench(r verdict.Result) ([]byte, error) {
	var all []Benchmark
	for _, l := range r.Lanes {
		if l.BootS == 0 {
			continue
		}
		figures := map[string]float64{"boot_s": l.BootS, "duration_s": l.DurationS}
		for _, t := range l.Tests {
			if t.LatenessS != nil {
				figures["lateness_s"] = max(figures["lateness_s"], *t.LatenessS)
			}
		}
		if r.Run.VmlinuxBytes > 0 {
			figures["vmlinux_bytes"] = float64(r.Run.VmlinuxBytes)
		}
		all = append(all, Benchmark{[]Key{{"base", r.Run.Base}, {"series", r.Run.Series}, {"lane", l.Lane}}, figures})
	}
	return Benchmarks(all)
}
