// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"

	"timens-vmtest/kernel"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// meant returns the variant of a series that is meant for a base, and says which it is. If
// there is no choice, it returns the series as it is, and does not fetch the base.
func (c *Command) meant(ctx context.Context, spec source.Spec, s series.Series) (series.Series, error) {
	if s.Variants == nil {
		return s, nil
	}
	base, err := spec.Fetch(ctx, c.Host)
	if err != nil {
		return s, err
	}
	chosen, _, err := c.Choose(ctx, base, s)
	return chosen, err
}

// Choose returns the variant of a series that is meant for a base, and reports whether it
// applies. It says which it is, and why it is none of those before it.
func (c *Command) Choose(ctx context.Context, base source.Base, s series.Series) (chosen series.Series, fits bool, err error) {
	chosen, misfits, fits, err := kernel.Choose(ctx, c.Host, base, s)
	if err != nil {
		return chosen, fits, err
	}
	for _, m := range misfits {
		c.Host.Report.Step("%s: the patches%s do not apply: %v", s.Name, m.For(), m.Err.Err)
	}
	switch {
	case fits && s.Variants != nil:
		c.Host.Report.Step("%s: the patches for %s apply to linux-%s, and are taken", s.Name, chosen.Variant, base.Version)
	case !fits && s.Variants != nil:
		c.Host.Report.Step("%s: no variant applies to linux-%s; the nearest is taken", s.Name, base.Version)
	}
	return chosen, fits, nil
}
