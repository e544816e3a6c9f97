package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/kernel"
	"timens-vmtest/tests/layout"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/wire"
)

// compareABI keeps in dir how the kernel and the tests lay out what clone3()
// takes. Where these differ nothing is booted: tests that write a member to
// another place than the kernel reads it from would be about something else,
// and some would pass.
func (a *app) compareABI(ctx context.Context, image kernel.Image, s kernel.Spec, dir string) error {
	record, err := a.abi(ctx, image, s)
	if err != nil {
		return err
	}
	if err := wire.WriteJSON(filepath.Join(dir, wire.ABIFile), record); err != nil {
		return err
	}
	if moved := record.Moved(); moved != nil {
		return &kernel.BuildError{
			Stage: "abi",
			Err:   fmt.Errorf("the tests of the design %s and this kernel do not speak of the same members of clone3()'s structures", s.Series.Design),
			Shown: strings.Join(moved, "\n"),
		}
	}
	return nil
}

// settle finds out the design of a series of which nothing says it: that whose
// members clone3() takes by the headers of the patched tree.
func (a *app) settle(ctx context.Context, in inputs, s kernel.Series) (kernel.Series, error) {
	if s.Design != "" {
		return s, nil
	}
	design, err := a.designOf(ctx, s)
	if err != nil {
		return s, err
	}
	return a.withDesign(ctx, in, s, design)
}

// withDesign is a series of this design. Where clone3() takes no offsets, the tests
// that give it some have to fail as they do in the series control.
func (a *app) withDesign(ctx context.Context, in inputs, s kernel.Series, design string) (kernel.Series, error) {
	if design == wire.NoDesign && s.Name != controlSeries {
		control, err := a.loadControl(ctx, in)
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

// designOf is the design whose members the headers of the patched tree have.
func (a *app) designOf(ctx context.Context, s kernel.Series) (string, error) {
	base, err := a.source.Fetch(ctx, a.cache, a.progress)
	if err != nil {
		return "", err
	}
	var all []wire.Layout
	for _, design := range wire.Designs {
		all = append(all, layout.Of(design)...)
	}
	has, err := kernel.HeaderABI(ctx, base, s, namesOf(all))
	if _, misfit := errors.AsType[*kernel.BuildError](err); misfit {
		return wire.NoDesign, nil // who builds it is told so
	}
	if err != nil {
		return "", err
	}
	for _, design := range wire.Designs {
		if wire.Has(has, layout.Of(design)) {
			a.progress.Step("%s: clone3() takes offsets, in the design %s", s.Name, design)
			return design, nil
		}
	}
	a.progress.Step("%s: clone3() takes no offsets, and tests that give it some have to fail", s.Name)
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

// abi is how the kernel and the tests of a series' design lay out what clone3()
// takes.
func (a *app) abi(ctx context.Context, image kernel.Image, s kernel.Spec) (wire.ABI, error) {
	tests := layout.Of(s.Series.Design)
	record, err := image.ABI(ctx, a.cache, s, namesOf(tests), a.progress)
	record.Tests = tests
	return record, err
}
