// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// prefix is a series up to one of its patches: a state that a bisection may test.
type prefix struct {
	on     host.Host     // where it is tested, which may be a part of this machine
	series series.Series // its patches end with that patch
	n, of  int           // the number of that patch, and of all patches
	base   bool          // it has no patches: a fault of this tree is not the patch's
}

func (p prefix) patch() patch.Patch { return p.series.Patches[p.n-1] }

func (p prefix) last() bool { return p.n == p.of }

// to returns the prefix that ends with patch n of a series.
func to(n int, s series.Series) prefix {
	p := prefix{series: s, n: n, of: len(s.Patches)}
	p.series.Patches = s.Patches[:n]
	return p
}

// without returns the base, to which a prefix is compared.
func (p prefix) without() prefix {
	p.base, p.series.Patches = true, nil
	return p
}

// step is one question that every patch has to answer. A heavy step can be asked about the
// base, too.
type step struct {
	several.Step

	folder string // names the place that it builds in, if other steps build there, too; see worker.Item
	after  string // names the step that builds what it needs; "": none

	// ask returns a blame.RuleError or a blame.BuildError if the tree is at fault, and any
	// other error if it could not find out.
	ask func(context.Context, prefix) error

	// boot replaces ask in a step that boots. It returns the run that has the answer. An error
	// means that there is none.
	boot func(context.Context, prefix) (several.Found, error)

	program string // that ask runs; "" if every machine has what it runs
}

// fill asks all questions and appends each answer to the evidence, in the order of
// Check.Questions: first those that need no build. It stops at the first question without an
// answer, and at the first fault unless KeepGoing is set. Answers to later questions are then no
// evidence.
func (c *checking) fill(ctx context.Context) error {
	var items []worker.Item
	var asked []several.Question
	all := c.plan.Questions()
	answers := make([]several.AnswerEvidence, len(all))
	for n, q := range all {
		if c.plan.Exempt(q) {
			continue
		}
		at, step, k := to(q.Patch+1, c.series), c.steps[q.Step], len(items)
		asked = append(asked, q)
		name := func(step string) string { return fmt.Sprintf("%s %d/%d %s", c.series.Name, at.n, at.of, step) }
		after := ""
		if step.after != "" {
			after = name(step.after)
		}
		items = append(items, worker.Item{Name: name(step.Name), MemoryMB: c.memory(step), Folder: step.folder, After: after, Run: func(ctx context.Context, share worker.Share) (err error) {
			if step.Heavy {
				c.Report.Step("%s (cell %d of %d, %d left)", share.Item, n+1, len(all), len(all)-n-1)
			}
			at.on = share.Of(c.Host)
			if step.folder == builds {
				at.on.Cores = c.Host.Cores
			}
			answers[k], err = c.answer(ctx, q, step, at)
			return err
		}})
	}
	take := func(from, to int) (goOn bool, err error) {
		for i, err := range worker.InOrder(c.Worker.Work(ctx, items[from:to])) {
			if err != nil {
				return false, err
			}
			a := answers[from+i]
			a.AfterS = c.evidence.after()
			if err := c.evidence.answered(a.Answered); err != nil {
				return false, err
			}
			cell, trouble := c.plan.Judge(asked[from+i], a)
			if trouble != nil || cell.Answer == several.Faulty && !c.KeepGoing {
				return false, nil
			}
		}
		return true, nil
	}
	quick := slices.IndexFunc(asked, func(q several.Question) bool { return c.steps[q.Step].Heavy })
	if quick < 0 {
		quick = len(items)
	}
	if goOn, err := take(0, quick); err != nil || !goOn || quick == len(items) {
		return err
	}
	if err := c.buildBase(ctx); err != nil {
		return err
	}
	_, err := take(quick, len(items))
	return err
}

// memory returns how many MB of memory a step is likely to need.
func (c *checking) memory(s step) int {
	switch {
	case s.Boots:
		return c.Request.MemoryMB(c.UsableCores() / max(1, c.Worker.Jobs))
	case s.Heavy:
		return run.BuildMB(c.UsableCores())
	}
	return run.BuildMB(1) // a script reads a patch
}

// answer asks one question about a patch. If the base may have the same fault, it asks
// about the base, too.
func (c *checking) answer(ctx context.Context, q several.Question, s step, at prefix) (several.AnswerEvidence, error) {
	found, err := c.find(ctx, s, at)
	if err != nil {
		return several.AnswerEvidence{}, err
	}
	answered := several.Answered{Patch: q.Patch + 1, Step: q.Step + 1, Name: s.Name, Found: found}
	a, err := several.LoadAnswer(c.dir, answered)
	if err == nil && c.plan.AsksBase(q, a) && ctx.Err() == nil {
		var own several.Found
		if own, err = c.find(ctx, s, at.without()); err != nil {
			return a, err
		}
		answered.Base = &own
		a, err = several.LoadAnswer(c.dir, answered)
	}
	return a, err
}

// find asks a step about a tree. It returns an error only for the user's mistakes, which
// are not evidence.
func (c *checking) find(ctx context.Context, s step, at prefix) (several.Found, error) {
	found := several.Found{Complaints: []string{}}
	var err error
	if s.Boots {
		found, err = s.boot(ctx, at)
	} else {
		err = s.ask(ctx, at)
	}
	err = run.Interrupted(ctx, err)
	build, unbuilt := errors.AsType[*blame.BuildError](err)
	rule, broken := errors.AsType[*blame.RuleError](err)
	switch {
	case err == nil:
		return found, nil
	case blame.Of(err) == blame.User:
		return several.Found{}, fmt.Errorf("%d/%d %s, %s: %w", at.n, at.of, c.series.Patches[at.n-1].Subject, s.Name, err)
	case unbuilt:
		return several.Found{Trouble: &verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}, Stage: build.Stage}, nil
	case broken:
		return several.Found{Complaints: rule.Complaints}, nil
	}
	return several.Found{Trouble: c.hostTrouble(err)}, nil
}
