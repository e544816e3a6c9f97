// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"flag"
	"os"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// debugging are the flags of the verb debug.
type debugging struct {
	at        string
	count     int
	untilFail bool
	dump      bool
	replay    bool
	alone     bool
	now       bool
}

// The values of -at.
const (
	atBefore = "before"
	atFail   = "fail"
)

func (a *app) registerDebug(set *flag.FlagSet) {
	set.StringVar(&a.Lane, "lane", "", "`real|virtual`: the lane of the guest (default: the one in which the test was not as expected)")
	set.StringVar(&a.debug.at, "at", atBefore, "`before|fail`: stop before the test, or run it and stop where it fails")
	set.IntVar(&a.debug.count, "count", 0, "run the test in `N` fresh guests and print in how many it was not as expected; there is no shell")
	set.BoolVar(&a.debug.untilFail, "until-fail", false, "run the test in fresh guests, 100 or -count of them at most, until it fails; with -at fail there is a shell then")
	set.BoolVar(&a.debug.dump, "dump", false, "leave a vmcore where the guest stops, before its shell begins, in the format of -vmcore")
	set.BoolVar(&a.debug.replay, "replay", false, "run the guest of a run with -record again, to the same instruction, and compare what it prints; with -gdb, gdb can go back, too; there is no shell")
	set.BoolVar(&a.debug.alone, "alone", false, "do not run the tests before it")
	set.BoolVar(&a.debug.now, "now", false, "take the tests of the checkout as they are now, if they are others than those of the run")
	a.RegisterSandbox(set)
	a.RegisterStore(set)
	a.registerCacheSize(set)
}

// debugVerb boots the guest of a stored run up to a test.
func debugVerb(ctx context.Context, a *app, args []string) (int, error) {
	var command []string
	if i := slices.Index(os.Args, "--"); i >= 0 {
		command = os.Args[i+1:]
		args = args[:len(args)-len(command)]
	}
	switch {
	case len(args) == 0:
		return 0, blame.Usagef("give the folder of a run, such as results/latest, and the test to debug")
	case len(args) > 2:
		return 0, blame.Usagef("unexpected argument %q; a command for the guest stands behind \"--\"", args[2])
	}
	d := run.Debugging{
		Dir: args[0], Test: strings.Join(args[1:], ""), Lane: a.Lane, AtFail: a.debug.at == atFail, Count: a.debug.count, UntilFail: a.debug.untilFail,
		Alone: a.debug.alone, Now: a.debug.now, Args: command, With: a.With(), Share: a.Share(), Replay: a.debug.replay,
	}
	d.GDB, d.BreakPatch = a.GDB()
	d.Vmcore, d.Dump = a.Vmcore(), a.debug.dump
	if d.Dump {
		d.Vmcore = cmp.Or(d.Vmcore, vm.Kdump)
	}
	switch {
	case a.debug.at != atBefore && a.debug.at != atFail:
		return 0, blame.Usagef("-at %s is none of before, fail", a.debug.at)
	case a.Has("count") && a.debug.count < 1:
		return 0, blame.Usagef("-count %d: give a number of guests", a.debug.count)
	case d.AtFail && !d.OpensShell():
		return 0, blame.Usagef("-count opens no shell; leave out -at fail, or take -until-fail, too")
	case d.Dump && !d.OpensShell():
		return 0, blame.Usagef("-count and -until-fail do not stop a guest; leave out -dump, and take -vmcore for guests that die")
	case d.Replay && (d.Count > 0 || d.UntilFail || d.AtFail || d.Dump || d.Alone || d.Now || d.Vmcore != "" || len(command) > 0 || d.With != nil || d.Share != ""):
		return 0, blame.Usagef("-replay runs what was recorded, and opens no shell; it goes with -lane, -gdb and -break-patch alone")
	case !d.OpensShell() && len(command) > 0:
		return 0, blame.Usagef("-count and -until-fail open no shell for %q; leave the command out", strings.Join(command, " "))
	}
	return run.Debug(ctx, a.Host, a.Checkout, d)
}
