// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/wire"
)

// NothingPlanned is the error of a request that selects no test. It is found before a
// kernel is built.
type NothingPlanned struct {
	Tests []wire.TestID // all tests that exist
	Err   error
}

func (e *NothingPlanned) Error() string { return e.Err.Error() }

func (e *NothingPlanned) Unwrap() error { return e.Err }

// Only returns what -run takes to select these tests, each "package.Name", and no other.
func Only(tests []string) string {
	quoted := make([]string, len(tests))
	for i, t := range tests {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// Plan lists the tests that a request selects, from their sources. If there is none, the
// error is a NothingPlanned. If the design is only known from the headers of the tree, Plan
// lists the tests of all designs.
func (r Request) Plan() (wire.Plan, error) {
	design := cmp.Or(r.Design, r.Series.Design, wire.NoDesign)
	one := runner{Request: r}
	options, err := r.options()
	if err != nil {
		return wire.Plan{}, err
	}
	plan, err := one.archiveSpec(design, options).Plan()
	if err != nil {
		if errors.Is(err, initramfs.ErrEmptyPlan) {
			err = &NothingPlanned{plan.Filtered, err}
		}
		return plan, err
	}
	if !slices.ContainsFunc(r.Lanes, func(lane string) bool { return len(plan.In(lane).Tests) > 0 }) {
		return plan, &NothingPlanned{nil, onlyElsewhere(r.Lanes, plan)}
	}
	return plan, nil
}

// onlyElsewhere returns the error that the lanes of a run do not run the selected tests.
func onlyElsewhere(lanes []string, plan wire.Plan) error {
	return fmt.Errorf("%w: lane %s does not run %s; the lane virtual does, or -tests makes it",
		initramfs.ErrEmptyPlan, strings.Join(lanes, ", "), plan.Tests[0])
}
