// SPDX-License-Identifier: BSD-3-Clause

package blame

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

// A full disk is the host's fault, whoever wraps its error.
func TestOf(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
	bad := errors.New("bad")
	for name, test := range map[string]struct {
		err  error
		want Party
	}{
		"usage":                       {Usagef("x: %w", bad), User},
		"usage of a denied file":      {Usagef("x: %w", syscall.EACCES), User},
		"usage on a full disk":        {Usagef("x: %w", full), Host},
		"build on a full disk":        {&BuildError{Stage: "apply", Err: full}, Host},
		"rule beside a full disk":     {errors.Join(&RuleError{}, full), Host},
		"build":                       {&BuildError{Stage: "apply", Err: bad}, Kernel},
		"broken bound":                {fmt.Errorf("x: %w", &BoundError{"make", "printed more than 1KiB", "output=2KiB"}), Kernel},
		"usage about a build":         {Usagef("x: %w", &BuildError{Err: bad}), User},
		"build with no memory":        {&BuildError{Err: fmt.Errorf("fork: %w", syscall.ENOMEM)}, Host},
		"usage with a quota":          {Usagef("x: %w", syscall.EDQUOT), Host},
		"usage on a broken disk":      {Usagef("x: %w", syscall.EIO), Host},
		"rule":                        {&RuleError{}, Patch},
		"anything else is the host's": {bad, Host},
	} {
		if got := Of(test.err); got != test.want {
			t.Errorf("%s: party %d, want %d", name, got, test.want)
		}
	}
}
