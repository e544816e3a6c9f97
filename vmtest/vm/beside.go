// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"fmt"
	"runtime"
)

// machine is what guests have to share.
type machine struct{ cpus, freeMB int }

// thisMachine returns what the machine has that this process runs on.
func thisMachine() (machine, error) {
	free, err := freeMB("/proc/meminfo")
	return machine{runtime.GOMAXPROCS(0), free}, err // which knows the limits of a container
}

// overheadMB is what QEMU takes beside the guest's memory: for itself, and for the code that it
// has translated.
const overheadMB = 256

// restMB is the memory that guests leave to the rest of the machine.
const restMB = 1024

// Beside returns how many guests of each of these lanes this machine has room for, if the guests
// of all lanes run side by side. why says what the machine has. Beside returns 1 if there are two
// CPUs or fewer, or if the guest waits for gdb.
func (c Change) Beside(lanes []string) (n int, why string, err error) {
	m, err := thisMachine()
	return m.beside(lanes, c), fmt.Sprintf("%d CPUs and %d MB of free memory", m.cpus, m.freeMB), err
}

// beside counts a CPU of the machine for each CPU of a guest.
func (m machine) beside(lanes []string, c Change) int {
	cpus, memory := 0, 0
	for _, lane := range lanes {
		g := Guest{Lane: lane, Change: c}
		cpus, memory = cpus+g.cpus(), memory+g.memoryMB()+overheadMB
	}
	if m.cpus <= 2 || cpus == 0 || c.GDB != "" {
		return 1
	}
	return max(1, min(m.cpus/cpus, (m.freeMB-restMB)/memory))
}

// CheckBeside returns an error if the memory of so many guests, changed like c, is more than this
// machine has free.
func (c Change) CheckBeside(guests int) error {
	m, err := thisMachine()
	if err != nil {
		return err
	}
	if need := guests * (Guest{Change: c}).memoryMB(); need > m.freeMB {
		return fmt.Errorf("%d guests side by side have %d MB of memory, and this machine has %d MB free; give fewer, or pass auto", guests, need, m.freeMB)
	}
	return nil
}
