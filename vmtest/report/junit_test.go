// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"encoding/xml"
	"testing"
)

// Of two cases with the same class and name GitLab counts only the first.
func TestJUnitNames(t *testing.T) {
	for name, r := range results {
		text, err := JUnit(r)
		if err != nil {
			t.Fatal(err)
		}
		var all struct {
			Suites []struct {
				Cases []struct {
					Class string `xml:"classname,attr"`
					Name  string `xml:"name,attr"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		seen, want := make(map[string]bool), 1
		for _, l := range r.Lanes {
			want += len(l.Tests)
		}
		for _, s := range all.Suites {
			for _, c := range s.Cases {
				seen[c.Class+"."+c.Name] = true
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d cases have names of their own, want %d", name, len(seen), want)
		}
	}
}
