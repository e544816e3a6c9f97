// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/tests/layout"
	"timens-vmtest/vmtest/verdict"
)

// compareABI keeps in dir how the kernel and the tests lay out what clone3()
// takes. Where these differ nothing is booted: tests that write a member to
// another place than the kernel reads it from would be about something else,
// and some would pass.
func (r *runner) compareABI(ctx context.Context, p prepared) error {
	record, err := ABI(ctx, r.Host, p.image, p.tree)
	if err != nil {
		return err
	}
	if err := wire.WriteJSON(filepath.Join(r.dir, wire.ABIFile), record); err != nil {
		return err
	}
	if moved := record.Moved(); moved != nil {
		return &blame.BuildError{
			Stage: "abi",
			Err:   fmt.Errorf("the tests of the design %s and this kernel do not speak of the same members of clone3()'s structures", p.tree.Series.Design),
			Shown: strings.Join(moved, "\n"),
		}
	}
	return nil
}

// ABI is how a kernel and the tests of its series' design lay out what clone3()
// takes.
func ABI(ctx context.Context, h host.Host, image kernel.Image, t kernel.Tree) (wire.ABI, error) {
	tests := layout.Of(t.Series.Design)
	record, err := debuginfo.ABI(ctx, h, image, t, namesOf(tests))
	record.Tests = tests
	return record, err
}

// withDesign is the series with this design. Where clone3() takes no offsets, the
// tests that give it some have to fail as they do in the series control.
func (r Request) withDesign(ctx context.Context, design string) (patch.Series, error) {
	s := r.Series
	if design == wire.NoDesign && s.Name != controlSeries {
		control, err := r.Checkout.Control(ctx)
		if err != nil {
			return s, err
		}
		if s.Expect, err = verdict.JoinExpect(control.Expect, s.Expect); err != nil {
			return s, err
		}
	}
	s.Design = design
	return s, nil
}

// designOf is the design whose members the headers of the tree have.
func designOf(ctx context.Context, h host.Host, t kernel.Tree) (string, error) {
	var all []wire.Layout
	for _, design := range wire.Designs {
		all = append(all, layout.Of(design)...)
	}
	has, err := debuginfo.HeaderABI(ctx, h.Sandbox, t, namesOf(all))
	if blame.Of(err) == blame.Kernel {
		return wire.NoDesign, nil // who builds it is told so
	}
	if err != nil {
		return "", err
	}
	for _, design := range wire.Designs {
		if wire.Has(has, layout.Of(design)) {
			h.Report.Step("%s: clone3() takes offsets, in the design %s", t.Series.Name, design)
			return design, nil
		}
	}
	h.Report.Step("%s: clone3() takes no offsets, and tests that give it some have to fail", t.Series.Name)
	return wire.NoDesign, nil
}

// namesOf are the structures' names, each once.
func namesOf(all []wire.Layout) []string {
	var names []string
	for _, l := range all {
		if !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	return names
}
