// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"runtime"
	"strconv"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/worker"
)

// jobs is the flag -jobs: how many items of a list run at the same time.
type jobs string

// autoJobs makes one job of every cellCores cores.
const autoJobs = "auto"

// register registers the flag. what are the items, and usual is its default.
func (j *jobs) register(set *flag.FlagSet, what, usual string) {
	set.StringVar((*string)(j), "jobs", usual, "run `N|auto` "+what+" at the same time, as far as there is memory; they share the cores; auto is one for every two cores")
}

// registerJobs registers -jobs of a night, which is left alone with the machine.
func (a *app) registerJobs(set *flag.FlagSet) { a.jobs.register(set, "cells", autoJobs) }

// number returns how many items run at the same time.
func (j jobs) number() (int, error) {
	if j == autoJobs {
		return max(1, runtime.GOMAXPROCS(0)/cellCores), nil
	}
	n, err := strconv.Atoi(string(j))
	if err != nil || n < 1 {
		return 0, blame.Usagef("-jobs %s is neither auto nor a number above zero", j)
	}
	return n, nil
}

// worker returns what works through a list of runs or questions. A debugger that waits for a guest
// is for one at a time.
func (a *app) worker() (worker.Worker, error) {
	n, err := a.jobs.number()
	if where, _ := a.GDB(); err == nil && n > 1 && where != "" {
		err = blame.Usagef("-gdb is for one guest of a lane, and -jobs %d makes several; leave out -jobs", n)
	}
	return worker.Worker{Jobs: n, Free: vm.FreeMB}, err
}
