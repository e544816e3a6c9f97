// SPDX-License-Identifier: BSD-3-Clause

// Package ci skips a test on a developer's machine that lacks what the test needs, such as
// user namespaces. In continuous integration it fails the test instead: nobody would notice
// a test that is always skipped there.
package ci

import (
	"os"
	"strconv"
	"testing"
)

// Set reports whether this is continuous integration. GitHub, GitLab and others set the
// environment variable CI to true, and some to 1 or to their own name. It is off if CI
// is empty or a word for false.
func Set() bool {
	value := os.Getenv("CI")
	on, err := strconv.ParseBool(value)
	return value != "" && (on || err != nil)
}

// Skip ends a test on a machine that lacks something. In continuous integration it
// fails the test, and elsewhere it skips the test. why says what is missing and which
// command fixes it. untested says what is not tested because of that.
func Skip(t testing.TB, untested string, why error) {
	t.Helper()
	if Set() {
		t.Fatalf("not tested: %s: %v (CI=%s is set, so this fails; unset CI to skip)", untested, why, os.Getenv("CI"))
	} else {
		t.Skipf("not tested: %s: %v", untested, why)
	}
}
