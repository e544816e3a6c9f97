// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"fmt"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// prefix is a series up to one of its patches: a state that a bisection may test.
type prefix struct {
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

	// ask returns a blame.RuleError or a blame.BuildError if the tree is at fault, and any
	// other error if it could not find out.
	ask func(context.Context, prefix) error

	// boot replaces ask in a step that boots. It returns the folder of the run, which has
	// the answer. An error means that there is no such folder.
	boot func(context.Context, prefix) (string, error)
}

// fill asks all questions in the order of Check.Questions and appends each answer to the
// evidence. It stops at the first question without an answer, and at the first fault unless
// KeepGoing is set.
func (c *checking) fill(ctx context.Context) error {
	s, questions := c.series, c.plan.Questions()
	for n, q := range questions {
		if c.plan.Exempt(q) {
			continue
		}
		step := c.steps[q.Step]
		if step.Heavy {
			c.Report.Step("%s %d/%d %s (cell %d of %d, %d left)", s.Name, q.Patch+1, len(s.Patches), step.Name, n+1, len(questions), len(questions)-n-1)
		}
		a, err := c.answer(ctx, q, step, to(q.Patch+1, s))
		if err != nil {
			return err
		}
		if err := c.evidence.answered(a.Answered); err != nil {
			return err
		}
		cell, trouble := c.plan.Judge(q, a)
		if trouble != nil || cell.Answer == several.Faulty && !c.KeepGoing {
			return nil
		}
	}
	return nil
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
	a.AfterS = c.evidence.after()
	return a, err
}

// find asks a step about a tree. It returns an error only for the user's mistakes, which
// are not evidence.
func (c *checking) find(ctx context.Context, s step, at prefix) (several.Found, error) {
	var folder string
	var err error
	if s.Boots {
		folder, err = s.boot(ctx, at)
	} else {
		err = s.ask(ctx, at)
	}
	err = run.Interrupted(ctx, err)
	build, unbuilt := errors.AsType[*blame.BuildError](err)
	rule, broken := errors.AsType[*blame.RuleError](err)
	switch {
	case err == nil && s.Boots:
		return several.Found{Run: folder}, nil
	case err == nil:
		return several.Found{Complaints: []string{}}, nil
	case blame.Of(err) == blame.User:
		return several.Found{}, fmt.Errorf("%d/%d %s, %s: %w", at.n, at.of, c.series.Patches[at.n-1].Subject, s.Name, err)
	case unbuilt:
		return several.Found{Trouble: &verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}, Stage: build.Stage}, nil
	case broken:
		return several.Found{Complaints: rule.Complaints}, nil
	}
	return several.Found{Trouble: c.hostTrouble(err)}, nil
}
