// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/perf/benchfmt"
)

// The library of benchstat reads the figures, and no value breaks the line.
func TestBenchmarks(t *testing.T) {
	text, err := Benchmarks([]Benchmark{
		{Name: []Key{{"base", "6.12"}, {"series", "a b/c=d\n"}, {"lane", "real"}}, Figures: map[string]float64{"boot_s": 0.25, "vmlinux_bytes": 16234234}},
		{Name: []Key{{"base", "7.3"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := benchfmt.NewReader(bytes.NewReader(text), "bench.txt"); r.Scan(); {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("not read: %v", r.Result())
		}
		for _, v := range result.Values {
			got = append(got, fmt.Sprintf("%s %s %v", result.Name, v.Unit, v.Value))
		}
	}
	want := []string{"Vmtest/base=6.12/series=a_b_c_d_/lane=real boot-sec 0.25", "Vmtest/base=6.12/series=a_b_c_d_/lane=real vmlinux-B 1.6234234e+07"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, from\n%s", got, want, text)
	}
}
