// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"fmt"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Nested is the argument of ReadNested. It has the design, because the process
// of a probe does not find it in its environment.
type Nested struct {
	Kernel  Name
	Offsets timens.Offsets
}

// ReadNested is a probe for timens.MeasureExec: a child made by the probe, with
// offsets from clone3(), reads the clocks.
func ReadNested(in Nested) (timens.Readings, error) {
	p, err := clone.NewProgram()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	steps := make(map[clock.Via]map[clock.ID]clone.Reading)
	for _, via := range clock.Vias {
		steps[via] = make(map[clock.ID]clone.Reading)
		for _, id := range timens.Clocks {
			steps[via][id] = p.ClockGettime(id, via)
		}
	}
	child, err := Launch(in.Kernel.Args(in.Offsets))(p)
	if err != nil {
		return nil, fmt.Errorf("clone3: %w", err)
	}
	if _, err := child.Wait(timens.Patience); err != nil {
		return nil, err
	}
	out := make(timens.Readings)
	for _, via := range clock.Vias {
		out[via] = make(map[clock.ID]time.Duration)
		for _, id := range timens.Clocks {
			if out[via][id], err = steps[via][id].Time(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
