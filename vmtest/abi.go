package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"timens-vmtest/kernel"
	"timens-vmtest/tests/layout"
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

// abi is how the kernel and the tests of a series' design lay out what clone3()
// takes.
func (a *app) abi(ctx context.Context, image kernel.Image, s kernel.Spec) (wire.ABI, error) {
	tests := layout.Of(s.Series.Design)
	var names []string
	for _, l := range tests {
		names = append(names, l.Name)
	}
	record, err := image.ABI(ctx, a.cache, s, names, a.progress)
	record.Tests = tests
	return record, err
}
