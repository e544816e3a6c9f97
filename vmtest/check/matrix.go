// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"fmt"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

// prefix is a series up to one of its patches: what a bisection would meet.
type prefix struct {
	series patch.Series // that patch is its last
	n, of  int          // which patch it is, of how many
	base   bool         // without any patch: what is at fault there is no patch's fault
}

func (p prefix) patch() patch.Patch { return p.series.Patches[p.n-1] }

func (p prefix) last() bool { return p.n == p.of }

func (p prefix) String() string { return fmt.Sprintf("%d/%d %s", p.n, p.of, p.patch().Subject) }

// to is the prefix that ends with patch n of a series.
func to(n int, s patch.Series) prefix {
	p := prefix{series: s, n: n, of: len(s.Patches)}
	p.series.Patches = s.Patches[:n]
	return p
}

// without is what a prefix is to be compared with.
func (p prefix) without() prefix {
	p.base, p.series.Patches = true, nil
	return p
}

// step is one question that every patch has to answer.
type step struct {
	name  string
	heavy bool // it takes long, and is asked when all that are not are answered

	// formal: it is about a patch as it is sent, and so is not asked of changes
	// that are not committed.
	formal bool

	// ask returns a blame.RuleError or a blame.BuildError if the patch is to blame,
	// and any other error if it could not find out. A heavy step can be asked of the
	// base, too.
	ask func(context.Context, prefix) error
}

// blamesPatch says that a patch is to blame for err, and not who asked.
func blamesPatch(err error) bool {
	party := blame.Of(err)
	return party == blame.Patch || party == blame.Kernel
}

// fill asks every patch of s every step: what is quick of all patches, then the
// rest patch by patch. It ends at the first fault, or goes on with the other
// cells. An error means that it could not find out.
func (c *checking) fill(ctx context.Context) (verdict.Matrix, error) {
	var m verdict.Matrix
	s, steps := c.series, c.steps()
	for _, step := range steps {
		m.Steps = append(m.Steps, step.name)
	}
	for _, p := range s.Patches {
		m.Patches = append(m.Patches, verdict.CheckedPatch{Name: p.Name, Subject: p.Subject, Cells: make([]verdict.Cell, len(steps))})
	}
	asked, of := 0, len(s.Patches)*len(steps)
	for _, heavy := range []bool{false, true} {
		for r := range m.Patches {
			for n, step := range steps {
				if step.heavy != heavy {
					continue
				}
				asked++
				if heavy {
					c.Report.Step("%s %d/%d %s (cell %d of %d, %d left)", s.Name, r+1, len(s.Patches), step.name, asked, of, of-asked)
				}
				cell, err := answerOf(ctx, step, to(r+1, s))
				if err != nil {
					return m, err
				}
				m.Patches[r].Cells[n] = cell
				if cell.Answer == verdict.Faulty && !c.KeepGoing {
					return m, nil
				}
			}
		}
	}
	return m, nil
}

// answerOf asks one patch one step. Where a patch is at fault, and the base is
// as well, there is no answer.
func answerOf(ctx context.Context, s step, at prefix) (verdict.Cell, error) {
	if s.formal && at.patch().Local {
		return verdict.Cell{Answer: verdict.Exempt}, nil
	}
	err := s.ask(ctx, at)
	if err == nil {
		return verdict.Cell{Answer: verdict.Faultless}, nil
	}
	if blamesPatch(err) && s.heavy && ctx.Err() == nil {
		if berr := s.ask(ctx, at.without()); berr != nil {
			return verdict.Cell{}, fmt.Errorf("the base itself, %s: %v", s.name, berr) // no patch is to blame
		}
	}
	if !blamesPatch(err) || ctx.Err() != nil {
		return verdict.Cell{}, fmt.Errorf("%s, %s: %w", at, s.name, err)
	}
	return verdict.Cell{Answer: verdict.Faulty, Fault: err.Error()}, nil
}
