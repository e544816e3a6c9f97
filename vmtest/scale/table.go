// SPDX-License-Identifier: BSD-3-Clause

package scale

import (
	"fmt"
	"slices"
	"strings"
)

// What the table assumes, as nobody has measured it here.
const (
	machineCores = 10        // of each machine
	linkRate     = 110       // MB/s that one link of 1 Gbit/s carries, for all machines together
	dispatch     = 50 * 1e-3 // seconds that an engine takes to start a cell
	cellCores    = 2         // of a worker
	hour         = 3600      // seconds
	workersEach  = machineCores / cellCores
)

// planned is the night of the table.
var planned = night{Series: 10, Bases: 3, Configs: 4, Patches: 8}

// ways are the ways in which the table hands out the cells and shares the kernels.
var ways = []struct {
	name        string
	order       order
	store, wait bool
}{
	{"lanes together", together, false, false},
	{"lanes together, store", together, true, false},
	{"lanes together, store, wait", together, true, true},
	{"longest first", apart, false, false},
	{"longest first, store", apart, true, false},
	{"spread", spread, false, false},
	{"spread, store", spread, true, false},
	{"spread, store, wait", spread, true, true},
	{"a series on one worker", chained, false, false},
}

// CostTable returns a table of Markdown: what was recorded.
func CostTable(c Costs) string {
	var b strings.Builder
	b.WriteString("| what | how often | seconds on two cores |\n|---|---|---|\n")
	for _, row := range []struct {
		what, often string
		seconds     []float64
	}{
		{"all guests of the lane `virtual`", "each kernel", c.Tests["virtual"]},
		{"all guests of the lane `real`", "each kernel", c.Tests["real"]},
		{"compile all of a kernel", "a patch that touches `include/`", c.Whole},
		{"compile one file again, and link", "any other patch", c.Part},
		{"unpack and survey a source", "each machine and base", c.Source},
		{"compile the guest's programs", "each machine", c.Guest},
		{"a cell, before and behind its guests", "each cell", c.Start},
		{"list a cell", "each cell, one after the other", c.List},
		{"judge a cell again", "each cell, one after the other", c.Judging},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.what, row.often, span(row.seconds))
	}
	fmt.Fprintf(&b, "\nA package with a source has %.0f MB. A kernel has %.0f MB in the store, of which a run fetches %.1f MB. A cell leaves %.1f MB. Recorded on %s.\n", c.PackageMB, c.StoreMB, c.FetchMB, c.ResultMB, c.Machine)
	return b.String()
}

// span says durations as the shortest and the longest of them.
func span(seconds []float64) string {
	least, most := fmt.Sprintf("%.3g", slices.Min(seconds)), fmt.Sprintf("%.3g", slices.Max(seconds))
	if least == most {
		return least
	}
	return least + " to " + most
}

// Table returns a table of Markdown: how long the planned night takes on 10, 100 and 1,000 cores,
// and where the time of the workers goes.
func Table(c Costs) string {
	var b strings.Builder
	b.WriteString("| cores | cells | hours | builds | tests | building | warming | waiting | the rest | idle | link |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	var r result
	for _, cores := range []int{10, 100, 1000} {
		for _, w := range ways {
			if w.store && cores <= machineCores { // one machine shares nothing
				continue
			}
			f := fleet{Machines: cores / machineCores, Workers: workersEach, Rate: linkRate, Dispatch: dispatch, Store: w.store, Wait: w.wait}
			n := planned
			n.Order = w.order
			r = simulate(c, n, f)
			fmt.Fprintf(&b, "| %d | %s | %s |\n", cores, w.name, r.row(float64(f.Machines*f.Workers)))
		}
	}
	fmt.Fprintf(&b, "\nBefore the first cell, one core lists the cells for %.1f minutes. Behind the last one, one core judges them for %.1f minutes.\n", r.Listing/60, r.Judging/60)
	return b.String()
}

// row returns the columns of the table from the hours on.
func (r result) row(workers float64) string {
	share := func(seconds float64) string { return fmt.Sprintf("%.0f %%", 100*seconds/r.Seconds/workers) }
	return strings.Join([]string{
		fmt.Sprintf("%.1f", r.Seconds/hour), fmt.Sprint(r.Builds), share(r.Spent[tests]), share(r.Spent[building]), share(r.Spent[warming]),
		share(r.Spent[waiting]), share(r.Spent[transfers] + r.Spent[starting]), share(max(0, r.Idle)), share(r.LinkBusy * workers),
	}, " | ")
}
