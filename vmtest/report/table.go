// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// Table prints a line for each test: its result in each lane, how many seconds of guest
// time it took, and how late its timers were.
func Table(w io.Writer, r verdict.Result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(tw, "test")
	for _, l := range r.Lanes {
		fmt.Fprintf(tw, "\t%s", l.Lane)
	}
	fmt.Fprintln(tw)
	for _, id := range planned(r) {
		fmt.Fprint(tw, id)
		for _, l := range r.Lanes {
			fmt.Fprintf(tw, "\t%s", cell(l, id))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// planned returns the tests of all lanes, each once.
func planned(r verdict.Result) []wire.TestID {
	var ids []wire.TestID
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if !slices.Contains(ids, t.TestID) {
				ids = append(ids, t.TestID)
			}
		}
	}
	return ids
}

func cell(l verdict.LaneResult, id wire.TestID) string {
	i := slices.IndexFunc(l.Tests, func(t verdict.TestResult) bool { return t.TestID == id })
	if i < 0 {
		return "-"
	}
	t := l.Tests[i]
	text := fmt.Sprintf("%s %.2f", t.Status, t.DurationS)
	if t.LatenessS != nil {
		text += fmt.Sprintf(", %.2f ms late", *t.LatenessS*1000)
	}
	switch {
	case !t.AsExpected():
		text += ", expected " + t.Expected.String()
	case t.Status != verdict.Pass:
		text += ", as expected"
	}
	return text
}
