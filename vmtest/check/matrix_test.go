// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

type silent struct{}

func (silent) Step(string, ...any) {}
func (silent) Note(string)         {}

func (silent) Count(string, int, int, string) {}

// asked returns a check of a series of two patches with these steps. The folder of its
// evidence exists.
func asked(t *testing.T, keepGoing bool, steps ...step) *checking {
	t.Helper()
	c := &checking{dir: filepath.Join(t.TempDir(), "s"), steps: steps}
	c.Host, c.KeepGoing = host.Host{Report: silent{}}, keepGoing
	c.series.Name = "s"
	for _, name := range []string{"1.patch", "2.patch"} {
		p, err := patch.Parse(name, []byte("diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"))
		if err != nil {
			t.Fatal(err)
		}
		p.Local = name == "2.patch"
		c.series.Patches = append(c.series.Patches, p)
	}
	c.base.Version = "6.12"
	if err := c.begin(false); err != nil {
		t.Fatal(err)
	}
	return c
}

// says returns a step that answers with answers about the patches and with ofBase about the
// base. It appends what it is asked to log.
func says(name string, s several.Step, log *[]string, answers []error, ofBase error) step {
	s.Name = name
	return step{Step: s, ask: func(_ context.Context, at prefix) error {
		if at.base {
			*log = append(*log, name+" of the base")
			return ofBase
		}
		*log = append(*log, name+" of "+at.patch().Name)
		return answers[at.n-1]
	}}
}

// fill asks in the right order, and its evidence leads to the right verdict.
func TestFill(t *testing.T) {
	rule := &blame.RuleError{Complaints: []string{"bad"}}
	build := &blame.BuildError{Stage: "build", Err: errors.New("no")}
	host := errors.New("disk full")
	usage := blame.Usagef("what flag")
	none := []error{nil, nil}
	for name, tc := range map[string]struct {
		keepGoing           bool
		formal, quick, slow []error
		ofBase              error
		asked               string
		want                verdict.Verdict
		left                string // part of answers.jsonl
		wrong               error
	}{
		"no fault": {formal: none, quick: none, slow: none,
			asked: "formal of 1.patch, quick of 1.patch, quick of 2.patch, slow of 1.patch, slow of 2.patch", want: verdict.Passed, left: `"complaints":[]`},
		"a complaint": {formal: none, quick: []error{rule, nil},
			asked: "formal of 1.patch, quick of 1.patch", want: verdict.Failed, left: `"complaints":["bad"]`},
		"a kernel that does not build": {formal: none, quick: none, slow: []error{build, nil},
			asked: "formal of 1.patch, quick of 1.patch, quick of 2.patch, slow of 1.patch, slow of the base", want: verdict.Failed,
			left: `"trouble":{"blame":"kernel","text":"build: no"},"stage":"build","base":{"complaints":[]}}`},
		"all faults": {keepGoing: true, formal: none, quick: []error{rule, nil}, slow: []error{nil, rule},
			asked: "formal of 1.patch, quick of 1.patch, quick of 2.patch, slow of 1.patch, slow of 2.patch, slow of the base", want: verdict.Failed},
		"the base itself": {keepGoing: true, formal: none, quick: none, slow: []error{rule, nil}, ofBase: build,
			asked: "formal of 1.patch, quick of 1.patch, quick of 2.patch, slow of 1.patch, slow of the base", want: verdict.Unjudged,
			left: `"base":{"trouble":{"blame":"kernel","text":"build: no"},"stage":"build"}}`},
		"host trouble": {keepGoing: true, formal: none, quick: []error{host, nil},
			asked: "formal of 1.patch, quick of 1.patch", want: verdict.Unjudged, left: `"trouble":{"blame":"host","text":"disk full"}}`},
		"a mistake of the user's": {keepGoing: true, formal: none, quick: []error{nil, usage},
			asked: "formal of 1.patch, quick of 1.patch, quick of 2.patch", want: verdict.Unjudged, wrong: usage},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			c := asked(t, tc.keepGoing,
				says("slow", several.Step{Heavy: true}, &log, tc.slow, tc.ofBase),
				says("formal", several.Step{Formal: true}, &log, tc.formal, nil),
				says("quick", several.Step{}, &log, tc.quick, nil))
			err := c.trouble(t.Context(), c.fill(t.Context()))
			e, lerr := several.LoadCheck(c.dir)
			if lerr != nil {
				t.Fatal(lerr)
			}
			judged := several.JudgeCheck(e)
			left, rerr := os.ReadFile(filepath.Join(c.dir, several.AnswersFile))
			if rerr != nil || !strings.Contains(string(left), tc.left) {
				t.Errorf("left %s, %v, want %s in it", left, rerr, tc.left)
			}
			if !errors.Is(err, tc.wrong) || strings.Join(log, ", ") != tc.asked || judged.Verdict() != tc.want {
				t.Errorf("got %v, %v, %q\nwant %v, %v, %q", judged.Verdict(), err, strings.Join(log, ", "), tc.want, tc.wrong, tc.asked)
			}
			if strings.Count(string(left), "\n") != len(e.Answers) {
				t.Errorf("%d answers are in %s", len(e.Answers), left)
			}
		})
	}
}

// Questions that are asked beside each other are answered in their order. What is found behind
// the first fault is no evidence.
func TestFillBeside(t *testing.T) {
	rule := &blame.RuleError{Complaints: []string{"bad"}}
	for _, keepGoing := range []bool{false, true} {
		second := make(chan bool)
		c := asked(t, keepGoing, step{Step: several.Step{Name: "slow", Heavy: true}, ask: func(ctx context.Context, at prefix) error {
			switch {
			case at.base:
				return nil
			case at.n == 2:
				close(second)
				return nil
			}
			if at.on.Cores != 2 {
				t.Errorf("it is asked on %d cores, want 2 of 4", at.on.Cores)
			}
			select {
			case <-second:
			case <-time.After(20 * time.Second):
				t.Error("the second question is not asked beside the first")
			}
			return rule
		}})
		c.Worker = worker.Worker{Jobs: 2, Cores: 4}
		if err := c.fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		e, err := several.LoadCheck(c.dir)
		judged := several.JudgeCheck(e)
		want := map[bool]int{false: 1, true: 2}[keepGoing]
		if err != nil || len(e.Answers) != want || judged.Verdict() != verdict.Failed || judged.Trouble != nil {
			t.Errorf("-keep-going=%v: %v, %v, %+v, %d answers, want %d", keepGoing, err, judged.Verdict(), judged.Trouble, len(e.Answers), want)
		}
	}
}

// Questions that are answered in one folder wait for each other, and others are asked meanwhile.
func TestFillInOneFolder(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []step
		want  string
	}{
		"one folder":  {[]step{{folder: "y"}}, "a1 with 4, a2 with 4"},
		"builds":      {[]step{{folder: builds}, {}}, "a1 with 0, b1 with 2, b2 with 2, a2 with 0"},
		"boots":       {[]step{{folder: builds}, {folder: builds}, {after: "a"}}, "a1 with 0, b1 with 0, c1 with 2, a2 with 0, b2 with 0, c2 with 2"},
		"two folders": {[]step{{folder: "y"}, {folder: "y"}, {folder: "n"}}, "a1 with 2, c1 with 2, c2 with 2, b1 with 4, a2 with 4, b2 with 4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log []string
			var said sync.Mutex
			for i := range tc.steps {
				s := &tc.steps[i]
				s.Name, s.Heavy = string(rune('a'+i)), true
				s.ask = func(_ context.Context, at prefix) error {
					time.Sleep(time.Duration(i) * time.Millisecond) // of two that begin together, the first is first
					said.Lock()
					log = append(log, fmt.Sprintf("%s%d with %d", s.Name, at.n, at.on.Cores))
					said.Unlock()
					time.Sleep(time.Duration(3-i) * time.Second)
					return nil
				}
			}
			c := asked(t, false, tc.steps...)
			c.Worker = worker.Worker{Jobs: 2, Cores: 4}
			if err := c.fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(log, ", "); got != tc.want {
				t.Errorf("%s: asked %s\nwant %s", name, got, tc.want)
			}
		})
	}
}

// Each answer is in the folder before the next question is asked.
func TestAnswersGrow(t *testing.T) {
	var c *checking
	n := 0
	c = asked(t, false, step{Step: several.Step{Name: "quick"}, ask: func(context.Context, prefix) error {
		e, err := several.LoadCheck(c.dir)
		if err != nil || len(e.Answers) != n || e.Check.Base != "6.12" {
			t.Errorf("before question %d the folder holds %d answers, %v", n+1, len(e.Answers), err)
		}
		n++
		return nil
	}})
	if err := c.fill(t.Context()); err != nil || n != 2 {
		t.Errorf("asked %d questions, %v", n, err)
	}
}

// An interrupted check blames no patch, whatever the tools say.
func TestInterruptedAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := asked(t, true, step{Step: several.Step{Name: "slow", Heavy: true}, ask: func(context.Context, prefix) error {
		cancel()
		return &blame.BuildError{Stage: "build", Err: errors.New("make was killed")}
	}})
	err := c.fill(ctx)
	e, lerr := several.LoadCheck(c.dir)
	judged := several.JudgeCheck(e)
	if err != nil || lerr != nil || judged.Verdict() != verdict.Unjudged || !strings.HasSuffix(judged.Trouble.Text, ", slow: interrupted") || len(e.Answers) != 1 {
		t.Errorf("got %v, %v, %v, %+v", judged.Verdict(), err, lerr, judged.Trouble)
	}
}

// An error outside of a question is evidence, unless it is the user's mistake.
func TestTrouble(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want verdict.Verdict
	}{
		{&blame.BuildError{Stage: "apply", Err: errors.New("no")}, verdict.Unbuilt},
		{errors.New("disk full"), verdict.Unjudged},
	} {
		c := asked(t, false, step{Step: several.Step{Name: "quick"}})
		if err := c.trouble(t.Context(), tc.err); err != nil {
			t.Errorf("%v came back as %v", tc.err, err)
		}
		e, err := several.LoadCheck(c.dir)
		if judged := several.JudgeCheck(e); err != nil || judged.Verdict() != tc.want || judged.Trouble.Text != tc.err.Error() {
			t.Errorf("%v: got %v, %+v, %v", tc.err, judged.Verdict(), judged.Trouble, err)
		}
	}
	c := asked(t, false, step{Step: several.Step{Name: "quick"}})
	if err := c.trouble(t.Context(), blame.Usagef("what flag")); err == nil {
		t.Error("a mistake of the user's was taken for evidence")
	}
}
