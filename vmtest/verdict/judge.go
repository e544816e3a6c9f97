// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// Judge returns the result of a run. It reads only its argument, and the same evidence
// always gives the same result. A run passes only if there is no finding.
func Judge(e Evidence) Result {
	var r Result
	var f findings
	if e.Run != nil {
		r.Run = *e.Run
	}
	expect, err := ParseExpect(e.Expect)
	expect = r.Run.expects(expect)
	allow, aerr := ParseAllow(e.Allow)
	err = errors.Join(err, aerr)
	switch {
	case e.Run == nil:
		f.add(Unjudged, "there is no %s: this is not the folder of a run, or the run was cut off at its start", RunFile)
	case e.Trouble != nil:
		f.add(e.Trouble.Verdict(), "%s", e.Trouble.Text)
	case err != nil:
		f.add(Unjudged, "%v", err)
	case len(e.Lanes) == 0:
		f.add(Unjudged, "no lane was to be run")
	}
	if f.all == nil {
		judgeSame(e.Lanes, &f)
		for _, l := range e.Lanes {
			lane, found := judgeLane(l, expect, allow)
			if e.Added != nil {
				for i, s := range lane.Splats {
					lane.Splats[i].Near = nearestAdded(s.More, *e.Added)
				}
			}
			r.Lanes = append(r.Lanes, lane)
			f.all = append(f.all, found...)
		}
		if e.Run.Coverage {
			r.Coverage = judgeCoverage(e, &f)
		}
	}
	r.Verdict = Passed
	for _, found := range f.all {
		r.Verdict = r.Verdict.Worse(found.Verdict)
	}
	r.Findings = headlineFirst(f.all, r.Verdict)
	return r
}

// headlineFirst moves the findings with the run's verdict before all others.
func headlineFirst(all []Finding, v Verdict) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int { return rank(a.Verdict, v) - rank(b.Verdict, v) })
	return all
}

func rank(v, headline Verdict) int {
	if v == headline {
		return 0
	}
	return 1
}

// judgeLane judges one lane. The lane has one guest, or several that each run a part of its
// plan. A guest has one boot, or several that continue its tests one after another.
func judgeLane(e LaneEvidence, expect []Expectation, allow []Allowance) (LaneResult, []Finding) {
	r := LaneResult{Lane: e.Lane, Boots: len(e.AllBoots())}
	f := findings{lane: e.Lane}
	if e.Planned() == nil {
		f.add(Unjudged, "it was never booted")
		return r, f.all
	}
	plan := *e.Planned()
	r.Shards = len(plan.Shards[e.Lane])
	switch {
	case plan.Schema != wire.Schema:
		f.add(Unjudged, "the plan has schema %d, this judge knows %d", plan.Schema, wire.Schema)
	case len(plan.Tests) == 0:
		f.add(Unjudged, "the plan is empty")
	}
	if f.all != nil {
		return r, f.all
	}
	tests, carried, ok := judgeGuests(e, plan, allow, &r, &f)
	if !ok {
		return r, f.all
	}
	f.lane = e.Lane
	for _, t := range plan.Tests {
		result := tests[t.TestID] // missing, if no boot started it
		result.TestID, result.Shard = t.TestID, plan.ShardOf(e.Lane, t.TestID)
		x := expectationOf(expect, t.TestID)
		if result.Expected = x.Status; x.Open && result.Status == x.Later {
			result.Expected, result.Mended, result.New = x.Later, x.Status == Fail && x.Later == Pass, x.Status == Skip
		}
		if result.Telling == nil && result.Status != Pass && result.Status != Skip {
			result.Telling = splatIn(t.TestID, r.Splats)
		}
		if result.AsExpected() {
			result.Trace = ""
		}
		r.Tests = append(r.Tests, result)
		if !result.AsExpected() {
			f.addTest(result)
		}
		f.addHarm(result)
	}
	carried()
	if !slices.ContainsFunc(r.Tests, func(t TestResult) bool { return t.Status != Skip }) {
		f.add(Failed, "every test was skipped")
	}
	for _, x := range useless(expect, plan) {
		f.add(Failed, "expect:%d names %s, but there is no such test", x.Line, x.TestID)
	}
	return r, f.all
}

// taintWarn is TAINT_WARN, which every WARNING sets.
const taintWarn = 1 << 9

// judgeConsole looks for complaints of the kernel. It returns the taint that allowed splats
// cause.
func judgeConsole(e BootEvidence, at place, s stream, allow []Allowance, r *LaneResult, f *findings) (tolerated int64) {
	splats, banners, lost := scan(e.Console, e.Decoded, allow)
	for _, x := range splats {
		x.Shard, x.Boot = at.shard, at.boot
		r.Splats = append(r.Splats, x)
		if x.Allowed != "" {
			if strings.HasPrefix(x.Text, "WARNING: ") {
				tolerated |= taintWarn
			}
			continue
		}
		during := "outside the tests"
		if x.Test != "" {
			during = "during " + x.Test
		}
		f.add(Failed, "splat %s: %s (%s:%d)", during, x.Text, at.console(), x.Line)
		f.all[len(f.all)-1].During = x.Test
	}
	if lost {
		f.add(Unjudged, "the kernel dropped console messages, so the evidence is incomplete")
	}
	switch {
	case banners > 1:
		f.add(Failed, "the kernel rebooted unexpectedly: its banner is %d times in %s", banners, at.console())
	case banners == 0 && s.hello != nil:
		f.add(Unjudged, "the guest reported, but %s lacks the kernel's banner", at.console())
	}
	return tolerated
}

// lastLine returns the last line of text that is not blank.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

// judgeEnd judges how a boot ended. console is the path of its log, and said the last line
// that QEMU printed.
func judgeEnd(x wire.Exit, console, said string, s stream, f *findings) {
	if said == "" {
		said = "nothing"
	}
	where := "before the guest reported"
	switch {
	case s.done:
		where = "after the last test"
	case s.running != nil:
		where = "in " + s.running.String()
	case s.hello != nil:
		where = "between two tests"
	}
	if x.DumpAt > 0 {
		where += fmt.Sprintf("; its tasks are dumped in %s from byte %d on", console, x.DumpAt)
	}
	if x.Reason != wire.FailedFast { // that is the fault of a test which has ended
		defer f.happened(len(f.all), s.moment())
	}
	switch x.Reason {
	case wire.Interrupted:
		f.add(Unjudged, "it was interrupted %s", where)
	case wire.FailedFast:
		if !s.done {
			f.add(Failed, "it was stopped %s, because a test had failed (-fail-fast)", where)
		}
	case wire.HostTrouble:
		f.add(Unjudged, "the evidence could not be written: %s; make room there, or pass -results DIR", x.Text)
	case wire.BootTimeout:
		f.add(Failed, "the kernel did not come up within the time for a boot: it hung %s", where)
	case wire.TestTimeout:
		f.add(Failed, "the guest hung %s", where)
	case wire.RunTimeout:
		f.add(Failed, "the boot took too long and was ended %s", where)
	case wire.Stalled:
		f.add(Failed, "the guest hung (its CPU waited, but no timer was set that could wake it) %s", where)
	case wire.EndedItself:
		switch {
		case x.Signal != "":
			f.add(Unjudged, "QEMU was ended by %s %s; it last said: %s; the host's log (\"sudo dmesg\") may tell why", x.Signal, where, said)
		case x.Status != 0:
			f.add(Unjudged, "QEMU exited with status %d %s; it said: %s; the rest is in %s, its command line in %s", x.Status, where, said, wire.QEMUFile, wire.BootFile)
		case !s.done && s.trouble == "":
			f.add(Failed, "the guest reset or powered off %s", where)
		}
	default:
		f.add(Unjudged, "%s has the unknown reason %q", wire.ExitFile, x.Reason)
	}
}

// judgeTaint adds a finding for each change of the kernel's taint, apart from the tolerated
// bits.
func judgeTaint(s stream, tolerated int64, f *findings) {
	if s.hello == nil {
		return
	}
	last := int64(0)
	for _, t := range s.taints {
		value := t.value &^ tolerated
		if value != last {
			f.add(Failed, "the kernel's taint went from %#x to %#x %s", last, value, t.where)
			f.happened(len(f.all)-1, t.moment)
		}
		last = value
	}
}

// judgeClock compares the kernel's clock with QEMU's. A kernel whose clocks and timers are
// wrong in the same way cannot change QEMU's clock.
func judgeClock(s stream, lane string, f *findings) {
	if !s.done {
		return
	}
	kernel, qemu := s.last.kernel-s.first.kernel, float64(s.last.qemu-s.first.qemu)
	tolerance, drift := 1.2, 1e-3 // QEMU's clock shows whole seconds
	if lane == wire.Virtual {
		// Both clocks count the same; they differed by 1.5 ms after a day. The guest
		// measures within with the kernel's clock, which may be wrong, so it is limited to
		// a second.
		tolerance, drift = 2*wire.EdgeStep.Seconds()+min(s.first.within+s.last.within, 1), 1e-7
	}
	if math.Abs(kernel-qemu) > tolerance+drift*qemu {
		f.add(Failed, "CLOCK_MONOTONIC advanced by %.2f s while QEMU's clock advanced by %.0f s", kernel, qemu)
	}
}

// marker is what Go's testing package prints before its own lines with -test.v=test2json.
// So a test cannot print such a line by accident.
const marker = "\x16"

// judgeTest judges one test that was started, from its records.
func judgeTest(name string, t *testRecords, x wire.Exit) TestResult {
	r := TestResult{Output: t.readable(), LatenessS: t.lateness(name)}
	r.Status, r.Note = statusOf(name, t, x)
	if r.Note == "" && t.tries > 0 {
		r.Note = ranAgain
	}
	if t.end != nil {
		r.DurationS = t.end.DurationS
	}
	if r.Status != Pass && r.Status != Skip {
		r.Telling = telling(string(t.output))
	}
	r.Harm = harm(r.Status, t.end)
	r.Trace = t.recorded()
	return r
}

// Notes of a test that the emulator has ended, and not the kernel, and of one that the emulator may have ended before.
const (
	emulatorEnded = "QEMU's emulation ended it, and not the kernel: it had flags that no CPU has; run it again"
	ranAgain      = "it ran again, as QEMU's emulation seems to have ended it before"
)

func statusOf(name string, t *testRecords, x wire.Exit) (s Status, note string) {
	switch {
	case t.end == nil:
		return cutOff(x)
	case t.end.TimedOut:
		return Timeout, "killed after its timeout"
	case t.end.Signal != "":
		return Crash, "ended by " + t.end.Signal
	}
	pass, fail, skip := t.counts("PASS", name), t.counts("FAIL", name), t.counts("SKIP", name)
	switch {
	case t.end.Exit == 0 && pass == 1 && fail == 0 && skip == 0:
		return Pass, ""
	case t.end.Exit == 0 && skip == 1 && pass == 0 && fail == 0:
		return Skip, ""
	case t.end.Exit == 1 && fail == 1 && pass == 0 && skip == 0:
		return Fail, ""
	}
	if wire.EmulatorEnded(t.output) {
		return Crash, emulatorEnded
	}
	return Crash, "it ended without one clear result"
}

// cutOff returns the status of a test that was running when its guest ended. If the user or
// the host ended the guest, the test counts as not run.
func cutOff(x wire.Exit) (s Status, note string) {
	switch {
	case x.Reason == wire.Interrupted:
		return Missing, "not run to its end: the run was interrupted"
	case x.Reason == wire.FailedFast:
		return Missing, "not run to its end: another test had failed (-fail-fast)"
	case x.Reason == wire.HostTrouble:
		return Missing, "not run to its end: the evidence could not be written"
	case x.Reason == wire.EndedItself && x.Signal != "":
		return Missing, "not run to its end: QEMU was ended by " + x.Signal
	case x.Reason == wire.EndedItself && x.Status != 0:
		return Missing, fmt.Sprintf("not run to its end: QEMU exited with status %d", x.Status)
	case x.Reason == wire.TestTimeout, x.Reason == wire.RunTimeout, x.Reason == wire.Stalled:
		return Timeout, "the guest hung"
	}
	return Crash, "the guest ended under it"
}

// splatIn returns the headline of the first splat while a test ran.
func splatIn(id wire.TestID, splats []Splat) []string {
	for _, s := range splats {
		if s.Test == id.String() && s.Allowed == "" {
			return []string{short(s.Text)}
		}
	}
	return nil
}

// readable returns a test's output as "go test -v" would show it. Where the guest left out
// a part, it has a note.
func (t *testRecords) readable() string {
	if t.end == nil || t.end.Dropped == 0 || len(t.output) < wire.OutputLimit {
		return readable(t.output)
	}
	return readable(t.output[:wire.OutputLimit]) +
		fmt.Sprintf("\n[vmtest: %d bytes are left out here]\n", t.end.Dropped) + readable(t.output[wire.OutputLimit:])
}

// readable returns an output without the marks of Go's testing package.
func readable(output []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(output)) {
		if !strings.HasPrefix(line, marker+"=== NAME ") {
			b.WriteString(strings.ReplaceAll(line, marker, ""))
		}
	}
	return b.String()
}
