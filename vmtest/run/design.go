// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/kernel/series"
	"timens-vmtest/tests/layout"
	"timens-vmtest/vmtest/verdict"
)

// compareABI writes the file wire.ABIFile to the folder of the run. If the kernel and the
// tests have a member of clone3()'s structures in different places, it returns a
// blame.BuildError and nothing is booted. Otherwise a test would write one member and the
// kernel would read another, and some such tests would pass.
func (r *runner) compareABI(ctx context.Context, p *prepared) error {
	record, image, err := ABI(ctx, r.Host, p.image, r.kernelSpec(p.tree))
	if err != nil {
		return err
	}
	p.image = image
	if err := wire.WriteJSON(filepath.Join(r.dir, wire.ABIFile), record); err != nil {
		return err
	}
	if moved := record.Moved(); moved != nil {
		return &blame.BuildError{
			Stage: "abi",
			Err:   fmt.Errorf("the tests of the design %s and this kernel have members of clone3()'s structures in different places", p.tree.Series.Design),
			Shown: strings.Join(moved, "\n"),
		}
	}
	return nil
}

// ABI returns how clone3()'s structures lie in memory, in a kernel and in the tests of its
// series' design. s is what the image was built from. If the kernel's debug information is in a
// store and cannot be had, ABI builds the kernel. It returns the image that is there then.
func ABI(ctx context.Context, h host.Host, image kernel.Image, s kernel.Spec) (wire.ABI, kernel.Image, error) {
	tests := layout.Of(s.Tree.Series.Design)
	record, err := debuginfo.ABI(ctx, h, image, s.Tree, namesOf(tests))
	if _, none := errors.AsType[*debuginfo.NoDebugError](err); none && ctx.Err() == nil {
		s.NeedDebug = true
		if image, err = kernel.Build(ctx, h, s); err != nil {
			return record, image, err
		}
		record, err = debuginfo.ABI(ctx, h, image, s.Tree, namesOf(tests))
	}
	record.Tests = tests
	return record, image, err
}

// withDesign returns the series of the request with this design. If clone3() takes no
// offsets, it adds the expectations of the series control: the tests of all designs have
// to fail.
func (r Request) withDesign(ctx context.Context, h host.Host, design string) (series.Series, error) {
	s := r.Series
	if design == wire.NoDesign && s.Name != controlSeries {
		control, err := r.Checkout.Control(ctx, h)
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

// designOf reads the design from the headers of the tree: the first design whose members
// they have, or wire.NoDesign.
func designOf(ctx context.Context, h host.Host, t kernel.Tree) (string, error) {
	var all []wire.Layout
	for _, design := range wire.Designs {
		all = append(all, layout.Of(design)...)
	}
	has, err := debuginfo.HeaderABI(ctx, h.Sandbox, t, namesOf(all))
	if blame.Of(err) == blame.Kernel {
		return wire.NoDesign, nil // the headers do not compile; the build reports that
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
	h.Report.Step("%s: clone3() takes no offsets, so tests that pass offsets have to fail", t.Series.Name)
	return wire.NoDesign, nil
}

// namesOf returns the names of structures, each once.
func namesOf(all []wire.Layout) []string {
	var names []string
	for _, l := range all {
		if !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	return names
}
