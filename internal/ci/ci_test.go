// SPDX-License-Identifier: BSD-3-Clause

package ci

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// outcome is a testing.TB that keeps the message with which Skip ended it.
type outcome struct {
	testing.TB
	failed, skipped string
}

func (o *outcome) Helper()                      {}
func (o *outcome) Fatalf(f string, args ...any) { o.failed = sprint(f, args) }
func (o *outcome) Skipf(f string, args ...any)  { o.skipped = sprint(f, args) }

func TestSkip(t *testing.T) {
	for value, fails := range map[string]bool{"": false, "false": false, "0": false, "true": true, "1": true, "woodpecker": true} {
		t.Setenv("CI", value)
		var o outcome
		Skip(&o, "the sandbox", errors.New("no namespaces; type \"sudo sysctl x\""))
		said, silent := o.skipped, o.failed
		if fails {
			said, silent = o.failed, o.skipped
		}
		if silent != "" || !strings.Contains(said, "the sandbox") || !strings.Contains(said, "sudo sysctl x") {
			t.Errorf("CI=%q: failed with %q, skipped with %q", value, o.failed, o.skipped)
		}
	}
}

func sprint(format string, args []any) string { return fmt.Sprintf(format, args...) }
