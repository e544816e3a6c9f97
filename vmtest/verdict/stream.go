// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"timens-vmtest/internal/wire"
)

// stream is what the guest's records say, as far as they can be read.
type stream struct {
	hello   *wire.Hello
	planned []wire.Test // of this boot
	tests   map[wire.TestID]*testRecords
	running *wire.TestID // the test that has started and not ended
	done    bool
	trouble string
	broken  bool // a record breaks the contract, so somebody else may have written the others
	taints  []taint
	left    wire.Carried
	first   clocks // at hello
	last    clocks // at done
}

// clocks has the time of the kernel's clock and of QEMU's at one moment, in seconds.
type clocks struct {
	kernel float64
	qemu   int64
	within float64
}

type taint struct {
	value int64
	where string
	moment
}

type testRecords struct {
	started bool
	tries   int // that the emulator may have ended
	output  []byte
	trace   []byte // compressed
	end     *wire.End
}

// again forgets a try that the emulator may have ended. It is an error if the guest runs a test again for
// another reason, or too often.
func (t *testRecords) again(id wire.TestID, boot wire.Boot) error {
	if boot.Accel != "tcg" || !wire.MayRepeat(id, *t.end, t.output) || t.tries+1 >= wire.Tries {
		return fmt.Errorf("the guest runs %s again for no reason", id)
	}
	*t = testRecords{tries: t.tries + 1}
	return nil
}

// counts returns how often the output has this result of the test itself, not of a subtest.
// Such a result need not be at the beginning of a line, because a test may end its output
// without a newline.
func (t *testRecords) counts(result, name string) int {
	return bytes.Count(t.output, []byte(marker+"--- "+result+": "+name+" ("))
}

// lateness returns the largest lateness that the test and its subtests reported. It is only
// for information, and decides nothing.
func (t *testRecords) lateness(name string) *float64 {
	var greatest *float64
	for line := range bytes.Lines(t.output) {
		_, line, _ = bytes.Cut(line, []byte(marker+"=== ATTR  "))
		words := strings.Fields(string(line))
		if len(words) != 3 || words[1] != wire.LatenessAttr || words[0] != name && !strings.HasPrefix(words[0], name+"/") {
			continue
		}
		s, err := strconv.ParseFloat(words[2], 64)
		if err == nil && !math.IsNaN(s) && !math.IsInf(s, 0) && (greatest == nil || s > *greatest) {
			greatest = &s
		}
	}
	return greatest
}

// readStream reads records up to the first that cannot be read. It adds a finding for
// everything that a guest which keeps the contract does not do.
func readStream(text []byte, plan wire.Plan, boot wire.Boot, f *findings) stream {
	s := stream{tests: make(map[wire.TestID]*testRecords), left: make(wire.Carried)}
	if boot.From >= len(plan.Tests) {
		f.add(Unjudged, "the boot begins with test %d of %d", boot.From, len(plan.Tests))
		return s
	}
	plan.Tests = plan.Part(boot.From)
	s.planned = plan.Tests
	for _, t := range plan.Tests {
		if s.tests[t.TestID] != nil {
			f.add(Unjudged, "the plan has %s twice", t.TestID)
		}
		s.tests[t.TestID] = &testRecords{}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i, line := range lines {
		if len(line) == 0 {
			break // after the last newline
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			// A dying guest may cut a record. Then the stream lacks its end, so the run can
			// never pass.
			f.add(Failed, "%s ends within a record", wire.RecordsFile)
			break
		}
		r, err := wire.ParseRecord(line)
		if err == nil {
			err = s.take(i, r, plan, boot)
		}
		if err != nil {
			s.broken = true
			f.add(Unjudged, "%s:%d: %v", wire.RecordsFile, i+1, err)
			break
		}
	}
	if s.trouble != "" {
		f.add(Unjudged, "the guest could not do its part: %s", s.trouble)
	}
	return s
}

// take adds one record, or returns an error if the contract does not allow it here.
func (s *stream) take(n int, r wire.Record, plan wire.Plan, boot wire.Boot) error {
	switch {
	case r.Seq != n:
		return fmt.Errorf("record %d is in the place of record %d: one was lost or added", r.Seq, n)
	case s.done:
		return fmt.Errorf("a record after %s", wire.TypeDone)
	case s.trouble != "":
		return fmt.Errorf("a record after %s", wire.TypeTrouble)
	case r.Type == wire.TypeTrouble:
		s.trouble = r.Text
		return nil
	case (r.Type == wire.TypeHello) != (n == 0):
		return fmt.Errorf("%s in place %d: the first record, and no other, is %s", r.Type, n, wire.TypeHello)
	}
	switch r.Type {
	case wire.TypeHello:
		s.hello = r.Hello
		s.first = clocks{r.UptimeS, *r.RTC, r.RTCWithinS}
		s.taints = append(s.taints, taint{*r.Taint, "while booting", s.moment()})
		return checkHello(*r.Hello, plan, boot)
	case wire.TypeDone:
		return s.takeDone(r, plan, boot)
	}
	t := s.tests[*r.TestID]
	if t == nil {
		return fmt.Errorf("%s of %s, which was not planned", r.Type, r.TestID)
	}
	if r.Type == wire.TypeStart {
		if s.running != nil {
			return fmt.Errorf("%s starts while %s runs", r.TestID, s.running)
		}
		if t.started {
			return fmt.Errorf("%s starts again", r.TestID)
		}
		t.started, s.running = true, r.TestID
		s.taints = append(s.taints, taint{*r.Taint, "before " + r.TestID.String(), moment{before: r.TestID.String()}})
		return nil
	}
	if s.running == nil || *s.running != *r.TestID {
		return fmt.Errorf("%s of %s, which does not run", r.Type, r.TestID)
	}
	switch r.Type {
	case wire.TypeOutput:
		t.output = append(t.output, r.Data...)
		return nil
	case wire.TypeLeft:
		if err := checkKey(r, boot); err != nil {
			return err
		}
		return s.left.Add(r)
	case wire.TypeCounts:
		return nil // the host evaluates the counts; see Coverage
	case wire.TypeTrace:
		if t.trace != nil {
			return fmt.Errorf("a second %s of %s", r.Type, r.TestID)
		}
		t.trace = r.Data
		return nil
	}
	s.taints = append(s.taints, taint{*r.Taint, "during " + r.TestID.String(), s.moment()})
	t.end, s.running = r.End, nil
	if r.End.Again {
		return t.again(*r.TestID, boot)
	}
	return nil
}

func (s *stream) takeDone(r wire.Record, plan wire.Plan, boot wire.Boot) error {
	if err := checkKey(r, boot); err != nil {
		return err
	}
	if s.running != nil {
		return fmt.Errorf("%s while %s runs", r.Type, s.running)
	}
	ended := 0
	for _, t := range s.tests {
		if t.end != nil {
			ended++
		}
	}
	if *r.Count != ended || ended != len(plan.Tests) {
		return fmt.Errorf("%s counts %d tests, %d ended and %d were planned", r.Type, *r.Count, ended, len(plan.Tests))
	}
	s.taints = append(s.taints, taint{*r.Taint, "after the last test", moment{}})
	s.last = clocks{r.UptimeS, *r.RTC, r.RTCWithinS}
	s.done = true
	return nil
}

// checkKey makes sure that no test wrote the record.
func checkKey(r wire.Record, boot wire.Boot) error {
	if r.Key != boot.Key {
		return fmt.Errorf("%s without the run's key: uinit did not write it", r.Type)
	}
	return nil
}

// checkHello makes sure that the guest is the one that was built and booted.
func checkHello(h wire.Hello, plan wire.Plan, boot wire.Boot) error {
	for _, c := range []struct{ what, got, want string }{
		{"plan", h.PlanID, plan.ID},
		{"boot", h.BootID, boot.BootID},
		{"lane", h.Lane, boot.Lane},
		{"build ID", h.BuildID, boot.BuildID},
		{"SHA-256 of the .config", h.ConfigSHA256, boot.ConfigSHA256},
	} {
		if c.got != c.want || c.want == "" {
			return fmt.Errorf("a foreign guest: its %s is %q, ours is %q", c.what, c.got, c.want)
		}
	}
	if h.Carried != boot.Carried {
		return fmt.Errorf("a foreign guest: the files that it was given are %q, ours are %q", h.Carried, boot.Carried)
	}
	if h.Shard != boot.Shard {
		return fmt.Errorf("a foreign guest: it is shard %d of its lane, ours is shard %d", h.Shard, boot.Shard)
	}
	if h.From != boot.From {
		return fmt.Errorf("a foreign guest: it begins with test %d, ours with %d", h.From, boot.From)
	}
	if h.Schema != wire.Schema {
		return fmt.Errorf("the guest speaks schema %d, this judge knows %d", h.Schema, wire.Schema)
	}
	switch h.Clocksource {
	case "tsc", "tsc-early", "kvm-clock":
		return nil
	}
	return fmt.Errorf("the guest's clocksource is %s, which the vDSO cannot read: its tests would prove nothing", h.Clocksource)
}
