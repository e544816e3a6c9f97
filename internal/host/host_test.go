// SPDX-License-Identifier: BSD-3-Clause

package host

import (
	"runtime"
	"testing"
)

// Commands use as many cores as this program may use, not as many as the machine has, unless the
// host is a part of the machine.
func TestUsableCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 3))
	if got, want := (Host{}).UsableCores(), runtime.NumCPU()+3; got != want {
		t.Errorf("got %d cores, want %d", got, want)
	}
	if got := (Host{Cores: 1000}).UsableCores(); got != 1000 {
		t.Errorf("got %d cores, want 1000", got)
	}
}
