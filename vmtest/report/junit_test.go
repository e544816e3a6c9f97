// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"encoding/xml"
	"slices"
	"testing"

	"timens-vmtest/vmtest/verdict"
)

// namesInJUnit returns class and name of each case.
func namesInJUnit(t *testing.T, r verdict.Result) []string {
	t.Helper()
	text, err := JUnit(r)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases []struct {
			Class string `xml:"classname,attr"`
			Name  string `xml:"name,attr"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all.Cases {
		names = append(names, c.Class+" "+c.Name)
	}
	return names
}

// Of two cases with the same class and name GitLab counts only the first.
func TestJUnitNames(t *testing.T) {
	for name, r := range results {
		want := 1
		for _, l := range r.Lanes {
			want += len(l.Tests)
		}
		names := namesInJUnit(t, r)
		slices.Sort(names)
		if got := len(slices.Compact(names)); got != want {
			t.Errorf("%s: %d cases have names of their own, want %d", name, got, want)
		}
	}
}

// A CI system takes the reports of several runs together, and knows a test by its name from one
// night to the next, also when Debian has updated the kernel.
func TestJUnitNamesOfSeveral(t *testing.T) {
	of := func(series, variant, base string) []string {
		r := results["lanes"]
		r.Run.Series, r.Run.Variant, r.Run.Base = series, variant, base
		return namesInJUnit(t, r)
	}
	first := of("control", "", "6.12.117")
	want := []string{
		"control/linux-6.12/real.p TestA", "control/linux-6.12/real.p TestB", "control/linux-6.12/virtual.p TestA", "control/linux-6.12/virtual.p TestB",
		"control/linux-6.12.vmtest verdict",
	}
	if !slices.Equal(first, want) {
		t.Errorf("got %q, want %q", first, want)
	}
	if updated := of("control", "", "6.12.118"); !slices.Equal(updated, first) {
		t.Errorf("an update of the kernel: got %q, want %q", updated, first)
	}
	for name, others := range map[string][]string{
		"another series":  of("fixes", "", "6.12.117"),
		"another kernel":  of("control", "", "7.3.0-rc1"),
		"another variant": of("control", "7.3", "6.12.117"),
		"no kernel":       of("control", "", ""),
	} {
		for _, other := range others {
			if slices.Contains(first, other) {
				t.Errorf("%s: %q names two cases", name, other)
			}
		}
	}
}
