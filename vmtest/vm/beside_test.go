// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// Each CPU of a guest has one of the machine, and the memory of all guests fits.
func TestBeside(t *testing.T) {
	both, virtual := []string{wire.Real, wire.Virtual}, []string{wire.Virtual}
	for name, tc := range map[string]struct {
		machine machine
		lanes   []string
		change  Change
		want    int
	}{
		"two CPUs":          {machine{2, 64000}, both, Change{}, 1},
		"two CPUs, virtual": {machine{2, 64000}, virtual, Change{}, 2},
		"one CPU, virtual":  {machine{1, 64000}, virtual, Change{}, 1},
		"eight":             {machine{8, 64000}, both, Change{}, 2},
		"eight, virtual":    {machine{8, 64000}, virtual, Change{}, 8},
		"many":              {machine{96, 640000}, both, Change{}, 32},
		"larger guests":     {machine{96, 640000}, both, Change{CPUs: 8}, 6},
		"little memory":     {machine{96, 8000}, both, Change{}, 4},
		"more memory each":  {machine{96, 64000}, both, Change{MemoryMB: 8000}, 3},
		"next to none":      {machine{96, 900}, both, Change{}, 1},
		"a debugger":        {machine{96, 64000}, both, Change{GDB: AnySocket}, 1},
	} {
		if got := tc.machine.beside(tc.lanes, tc.change); got != tc.want {
			t.Errorf("%s: got %d guests of each lane, want %d", name, got, tc.want)
		}
	}
	n, why, err := Change{}.Beside(2, both)
	if err != nil || n < 1 || !strings.HasPrefix(why, "2 CPUs and ") || !strings.HasSuffix(why, " MB of free memory") {
		t.Errorf("this machine: got %d, %q, %v", n, why, err)
	}
}

// Guests crowd a machine if one CPU of the machine has two of theirs.
func TestCrowded(t *testing.T) {
	both, virtual := []string{wire.Real, wire.Virtual}, []string{wire.Virtual}
	for _, tc := range []struct {
		n, cpus int
		lanes   []string
		change  Change
		want    bool
	}{
		{1, 2, both, Change{}, true},
		{4, 12, both, Change{}, false},
		{5, 12, both, Change{}, true},
		{12, 12, virtual, Change{}, false},
		{4, 12, both, Change{CPUs: 4}, true},
	} {
		if got := tc.change.Crowded(tc.n, tc.cpus, tc.lanes); got != tc.want {
			t.Errorf("%d guests of %v on %d CPUs, changed by %+v: got %v", tc.n, tc.lanes, tc.cpus, tc.change, got)
		}
	}
}

// Guests that the machine has no memory for are refused.
func TestCheckBeside(t *testing.T) {
	both := []string{wire.Real, wire.Virtual}
	m := machine{freeMB: 2*(1000+overheadMB) + restMB}
	if err := m.checkBeside(1, both, Change{MemoryMB: 1000}); err != nil {
		t.Error(err)
	}
	m.freeMB--
	if err := m.checkBeside(1, both, Change{MemoryMB: 1000}); err == nil || err.Error() != "2 guests side by side and the rest of the machine need 3536 MB of memory, and 3535 MB are free; give fewer, or pass auto" {
		t.Errorf("one MB less: %v", err)
	}
	if err := (Change{MemoryMB: 1 << 40}).CheckBeside(1, both); err == nil {
		t.Error("this machine: more than there can be is not refused")
	}
}

// Of several guests, one leaves a vmcore.
func TestOneVmcore(t *testing.T) {
	var none *OneVmcore
	one := &OneVmcore{left: true}
	if none.Left() || !one.Left() {
		t.Error("Left says the opposite")
	}
	Vmcore{One: one, Say: func(path string, err error) { t.Errorf("a second vmcore, %s: %v", path, err) }}.leave(nil, t.TempDir(), 1)
}
