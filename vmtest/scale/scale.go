// SPDX-License-Identifier: BSD-3-Clause

// Package scale says how long a large night would take on machines that nobody has at hand, and
// what its cells would wait for. It replays durations that were recorded on one machine in a
// simulation of events. The page docs/scale.md has its table.
package scale

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
)

// Costs are what the stages of a cell took on one machine. A stage with several durations takes
// them in turn.
type Costs struct {
	Machine string `json:"machine"` // what it was recorded on

	// Seconds on two cores.
	Start   []float64            `json:"start"`   // of a cell, before and behind the guests
	Guest   []float64            `json:"guest"`   // the guest's programs, once on each machine
	Source  []float64            `json:"source"`  // to unpack a source, once on each machine
	Whole   []float64            `json:"whole"`   // to compile all of a kernel
	Part    []float64            `json:"part"`    // to compile one file again, and link
	Tests   map[string][]float64 `json:"tests"`   // all guests of a lane
	List    []float64            `json:"list"`    // to list one cell
	Judging []float64            `json:"judging"` // to judge one cell again when all have run

	PackageMB float64 `json:"package_mb"` // of a source
	StoreMB   float64 `json:"store_mb"`   // of a kernel that is put into the store, packed
	FetchMB   float64 `json:"fetch_mb"`   // of a kernel that a run fetches from there: it leaves the debug information
	ResultMB  float64 `json:"result_mb"`  // what a cell leaves

	Include int `json:"include"` // one of so many patches of our series touches include/, so that all is compiled again
}

//go:embed recorded.json
var recorded []byte

// Recorded returns the costs that were measured.
func Recorded() (Costs, error) {
	var c Costs
	err := json.Unmarshal(recorded, &c)
	return c, err
}

// night is what has to be run: each lane of the kernel of each patch, on each base and in each
// configuration.
type night struct {
	Series, Bases, Configs, Patches int
	Order                           order
}

// order is how the cells of a night are handed out.
type order int

// The orders.
const (
	together order = iota // the lanes of a kernel next to each other: the list of a first night
	apart                 // the longest cell first: each lane of all kernels
	spread                // like apart, and the first patch of all series before the second of any
	chained               // all patches of a series on a base, in a configuration, on one worker
)

// fleet is what the night runs on. A worker has two cores.
type fleet struct {
	Machines, Workers int     // workers of each machine
	Rate              float64 // MB/s of the link that leads all machines to the store, the mirror and the results; 0: without limit
	Store             bool    // the machines share kernels
	Wait              bool    // a machine waits for a kernel that another one builds, as cells of one machine do
	Dispatch          float64 // seconds that the controller takes to start one cell
}

// stage is what a worker does.
type stage int

// The stages.
const (
	tests     stage = iota
	building        // a kernel
	warming         // a machine: sources and the guest's programs
	waiting         // for what another worker makes
	transfers       // kernels and results
	starting
	stages // how many there are
)

// result is what came of a night.
type result struct {
	Seconds   float64         // from the first cell to the end of the last one
	Spent     [stages]float64 // seconds of all workers together
	Idle      float64         // seconds in which workers had nothing left to do
	Kernels   int             // that differ
	Builds    int             // of kernels; those of one kernel by several machines are several
	Fetched   int             // kernels from the store
	CarriedMB float64
	LinkBusy  float64 // seconds in which the link carried something
	Listing   float64 // seconds before the first cell
	Judging   float64 // seconds behind the last one
}

// cell is a lane of the kernel of one patch.
type cell struct {
	number int
	kernel kernel
	lane   string
}

// kernel is named by what it is made of.
type kernel struct {
	base, series, config, patch int
}

// folder is that in which the kernels of a series are built, one after the other.
type folder struct{ base, series, config int }

func (k kernel) folder() folder { return folder{k.base, k.series, k.config} }

// lanes are those of each kernel.
var lanes = []string{"virtual", "real"}

// tasks returns the cells as they are handed out. The cells of a task run one after the other, on
// one worker.
func (n night) tasks() [][]cell {
	var all [][]cell
	number := 0
	add := func(k kernel, lane string, alone bool) {
		if alone {
			all = append(all, nil)
		}
		last := len(all) - 1
		all[last] = append(all[last], cell{number, k, lane})
		number++
	}
	kernels := n.kernels()
	switch n.Order {
	case together, chained:
		for _, k := range kernels {
			for i, lane := range lanes {
				add(k, lane, n.Order == together || k.patch == 1 && i == 0)
			}
		}
	case apart, spread:
		for _, lane := range lanes {
			for _, k := range kernels {
				add(k, lane, true)
			}
		}
	}
	return all
}

// kernels returns those of the night in their order.
func (n night) kernels() []kernel {
	var all []kernel
	for b := range n.Bases {
		for s := range n.Series {
			for c := range n.Configs {
				for p := range n.Patches {
					all = append(all, kernel{b, s, c, p + 1})
				}
			}
		}
	}
	if n.Order == spread {
		slices.SortStableFunc(all, func(a, b kernel) int { return cmp.Compare(a.patch, b.patch) })
	}
	return all
}

// in returns the duration of a stage for the i-th one that asks for it.
func in(durations []float64, i int) float64 {
	if len(durations) == 0 {
		return 0
	}
	return durations[i%len(durations)]
}
