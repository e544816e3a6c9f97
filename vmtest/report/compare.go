// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// Comparison prints how a series changes the results of the tests. The last line is the
// verdict.
func Comparison(w io.Writer, dir string, c verdict.Comparison) {
	fmt.Fprintf(w, "compared %s without and with %s: %s\n", orUnknown(c.Series.Run.Base), tested(c.Series.Run), c.Summary())
	for _, f := range c.Findings {
		fmt.Fprintf(w, "  %s: %s\n", blame(f), look.Harmless(f.Text))
	}
	for _, t := range c.Tests {
		if t.Class == verdict.Regressed && t.Announced {
			fmt.Fprintf(w, "  regressed, as its expect file announces: %s\n", t.TestID)
		}
		if t.Class == verdict.Fixed || t.Class == verdict.BrokenBefore {
			fmt.Fprintf(w, "  %s: %s: %s without the series, %s with it\n", t.Class, t.TestID, t.Base, t.Series)
		}
	}
	for _, t := range c.Idle() {
		fmt.Fprintf(w, "  proves nothing: %s is a test of the series, and gives %s without it as well\n", t.TestID, t.Base)
	}
	fmt.Fprintf(w, "evidence %s\nverdict  %s\n", dir, c.Verdict)
}

// The types of a comparison's report.json. Members are only ever added.
type (
	jsonComparison struct {
		Schema   int               `json:"schema"`
		Verdict  verdict.Verdict   `json:"verdict"`
		Exit     int               `json:"exit"`
		Series   string            `json:"series"`
		Base     string            `json:"base"`
		Findings []verdict.Finding `json:"findings"`
		Classes  map[string]int    `json:"classes"`
		Tests    []jsonCompared    `json:"tests"`
		Runs     []jsonRun         `json:"runs"` // without and with the series
	}
	jsonCompared struct {
		Lane     string         `json:"lane"`
		Package  string         `json:"package"`
		Name     string         `json:"name"`
		Without  verdict.Status `json:"without"`
		With     verdict.Status `json:"with"`
		OfSeries bool           `json:"of_series"`
		Class    verdict.Class  `json:"class"`
	}
)

// ComparisonJSON returns the report.json of a comparison.
func ComparisonJSON(c verdict.Comparison) ([]byte, error) { return marshal(comparisonJSON(c)) }

func comparisonJSON(c verdict.Comparison) jsonComparison {
	j := jsonComparison{
		Schema: Schema, Verdict: c.Verdict, Exit: c.Verdict.ExitCode(), Series: c.Series.Run.Series, Base: c.Series.Run.Base,
		Findings: list(c.Findings), Classes: make(map[string]int), Tests: []jsonCompared{}, Runs: []jsonRun{toJSON(c.Base), toJSON(c.Series)},
	}
	for class := verdict.Unclear; class <= verdict.BrokenBefore; class++ {
		j.Classes[class.String()] = c.Count(class)
	}
	for _, t := range c.Tests {
		j.Tests = append(j.Tests, jsonCompared{t.Lane, t.Package, t.Name, t.Base, t.Series, t.OfSeries, t.Class})
	}
	return j
}

// WriteComparison writes the reports of a comparison to its folder.
func WriteComparison(dir string, c verdict.Comparison) error {
	json, err := ComparisonJSON(c)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	Comparison(&text, dir, c)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, TextFile), text.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, JSONFile), json, 0o644))
}
