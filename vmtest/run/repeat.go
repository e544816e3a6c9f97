// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// mostGuests is how many guests a test runs in until it fails, if the user does not say it.
const mostGuests = 100

// repeat runs the test in fresh guests, and prints in how many of them it was not as expected.
// The evidence of those guests stays, in the folder of the run.
func (d *debugger) repeat(ctx context.Context) (int, error) {
	expect, err := verdict.ParseExpect(d.Series.Expect)
	if err != nil {
		return 0, err
	}
	expect = verdict.On(expect, d.stored.evidence.Run.Base, d.stored.evidence.Run.Tree != nil)
	allow, err := verdict.ParseAllow(d.Allow)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(d.Dir, "debug", time.Now().Format("20060102-150405"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	remove, err := d.writeArchive(dir)
	if err != nil {
		return 0, err
	}
	defer func() {
		remove()
		_ = os.Remove(dir) // it is empty if nothing was found
	}()
	total := cmp.Or(d.Count, mostGuests)
	ran, bad, first := 0, 0, ""
	for n := 1; n <= total && ctx.Err() == nil; n++ {
		sub := filepath.Join(dir, fmt.Sprint(n))
		one := trial{debugger: d, dir: sub, expect: expect, allow: allow}
		text, good, err := one.run(ctx)
		if err != nil {
			return 0, err
		}
		d.Report.Step("guest %d of %d: %s: %s", n, total, d.test, text)
		if ctx.Err() != nil { // it was cut off
			break
		}
		ran++
		if good {
			_ = os.RemoveAll(sub) // nobody needs it
			continue
		}
		if bad++; first == "" {
			first = sub
		}
		if d.UntilFail {
			break
		}
	}
	fmt.Printf("%s, lane %s: not as expected in %d of %d guests\n", d.test, d.guest.Lane, bad, ran)
	if ran == 0 {
		return 0, errors.New("interrupted")
	}
	if bad == 0 {
		return 0, nil
	}
	fmt.Printf("evidence %s\n", ShortPath(first))
	return 1, nil
}

// trial is the test in one fresh guest.
type trial struct {
	*debugger
	dir    string
	expect []verdict.Expectation
	allow  []verdict.Allowance
}

// run boots the guest and ends it when the test has ended. text says what became of the test, and
// good whether that was expected. A splat while it ran is never expected.
func (t trial) run(ctx context.Context) (text string, good bool, err error) {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return "", false, err
	}
	enough, stop := context.WithCancel(ctx)
	defer stop()
	var live verdict.Live
	var result *verdict.TestResult
	running := ""
	exit, err := vm.Boot(enough, t.guest, t.plan, limitsOf(t.guest.Lane, t.Timeout), t.dir, vm.Observer{Record: func(r wire.Record) {
		if r.Type == wire.TypeStart {
			running = r.TestID.String()
		}
		if one, ended := live.Take(r); ended && one.TestID == t.test {
			result = &one
			stop()
		}
	}})
	if err != nil {
		return "", false, err
	}
	if hasVmcore(t.dir) {
		t.guest.Vmcore = vm.Vmcore{} // as in a run, one is enough
	}
	for _, s := range live.Splats(filepath.Join(t.dir, wire.ConsoleFile), t.allow) {
		if s.Test == t.test.String() {
			return "splat: " + s.Text, false, nil
		}
	}
	switch {
	case result == nil && running == t.test.String():
		return "the guest died or hung in it (" + exit.Reason + ")", false, nil
	case result == nil:
		return fmt.Sprintf("the guest ended before it (%s); pass -alone to leave out the tests before it", exit.Reason), false, nil
	}
	how := append([]string{result.Status.String()}, result.Telling...)
	return strings.Join(slices.DeleteFunc(how, func(s string) bool { return s == "" }), ": "), verdict.Expects(t.expect, *result), nil
}

// limitsOf returns the limits of a boot in a lane. timeout is that of a test.
func limitsOf(lane string, timeout time.Duration) vm.Limits {
	limits := vm.DefaultLimits
	limits.Run += timeout
	if lane == wire.Virtual {
		limits.Test *= 30 // a day of sleep takes some seconds of CPU time, and a busy host may give the guest a tenth of a CPU
	}
	return limits
}
