// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// Misfit is a variant of a series that does not apply to a base, and why.
type Misfit struct {
	series.Series
	Err *blame.BuildError
}

// Choose returns the variant of a series that is meant for a base: the first that applies, in
// the order of series.Nearest. It also returns the variants before that one, which do not
// apply. If none applies, fits is false, and Choose returns the nearest. A series without
// Variants is the only candidate.
func Choose(ctx context.Context, h host.Host, base source.Base, s series.Series) (chosen series.Series, misfits []Misfit, fits bool, err error) {
	load := []func() (series.Series, error){func() (series.Series, error) { return s, nil }}
	if s.Variants != nil {
		load = nil
		for _, v := range series.Nearest(s.Variants, base.Version) {
			load = append(load, func() (series.Series, error) { return v.Load(ctx, h.Sandbox) })
		}
	}
	for _, candidate := range load {
		if chosen, err = candidate(); err != nil {
			return series.Series{}, nil, false, err
		}
		chosen.Foreign = s.Foreign
		_, err = apply(ctx, h.Sandbox, base, chosen.Patches)
		if err == nil {
			return chosen, misfits, true, nil
		}
		build, misfit := errors.AsType[*blame.BuildError](err)
		if !misfit {
			return series.Series{}, nil, false, err
		}
		misfits = append(misfits, Misfit{chosen, build})
	}
	return misfits[0].Series, misfits, false, nil
}
