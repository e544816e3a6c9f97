// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"runtime"
	"testing"
)

// make runs as many jobs as this program may use CPUs, not as many as the machine has.
func TestCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 3))
	if got, want := Cores(), runtime.NumCPU()+3; got != want {
		t.Errorf("make runs %d jobs, want %d", got, want)
	}
}
