// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"strconv"
	"strings"

	"timens-vmtest/internal/wire"
)

// harm says what a test has done to the guest that would have hurt later tests, had the guest
// not undone it. A test that crashed or was killed is not blamed for that, because it could not
// clean up.
func harm(s Status, end *wire.End) []string {
	if end == nil || s != Pass && s != Fail && s != Skip {
		return nil
	}
	var all []string
	if n := end.LeftProcesses; n > 0 {
		what := fmt.Sprintf("%d processes", n)
		if n == 1 {
			what = "a process"
		}
		all = append(all, fmt.Sprintf("left %s running (%s), killed by vmtest", what, quoted(end.LeftNames)))
	}
	for _, c := range end.Sysctls {
		then := "vmtest put it back"
		if c.Stays {
			then = "vmtest could not put it back, so later tests ran with another value"
		}
		all = append(all, fmt.Sprintf("changed /proc/sys/%s from %q to %q; %s", printable(c.Name), value(c.Before), value(c.After), then))
	}
	return all
}

// quoted returns names as they may be printed.
func quoted(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, strconv.Quote(name))
	}
	return strings.Join(all, ", ")
}

// value returns the value of a sysctl on one line.
func value(text string) string { return strings.Join(strings.Fields(text), " ") }

// printable returns a name as it may be printed.
func printable(name string) string {
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

// addHarm adds what a test has done to the guest.
func (f *findings) addHarm(t TestResult) {
	for _, text := range t.Harm {
		f.add(Failed, "%s %s", t.TestID, text)
		f.all[len(f.all)-1].During = t.TestID.String()
	}
}
