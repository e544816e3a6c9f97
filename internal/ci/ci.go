// SPDX-License-Identifier: BSD-3-Clause

// Package ci knows where a test may not skip. A person's machine may lack what a
// test needs, such as user namespaces. A machine of continuous integration may
// not: a test that skips there for ever would never be missed.
package ci

import (
	"os"
	"strconv"
	"testing"
)

// Set reports whether the environment says that this is continuous integration:
// GitHub, GitLab and others set CI=true, some CI=1 or their own name.
func Set() bool {
	value := os.Getenv("CI")
	on, err := strconv.ParseBool(value)
	return value != "" && (on || err != nil)
}

// Skip ends a test that lacks something. It fails the test in continuous
// integration and skips it elsewhere. why says what is missing and which command
// mends it; untested says what nobody tests now.
func Skip(t testing.TB, untested string, why error) {
	t.Helper()
	if Set() {
		t.Fatalf("not tested: %s: %v (CI=%s is set, so this fails; unset CI to skip)", untested, why, os.Getenv("CI"))
	} else {
		t.Skipf("not tested: %s: %v", untested, why)
	}
}
