// SPDX-License-Identifier: BSD-3-Clause

package vm

import "fmt"

// machine is what guests have to share.
type machine struct{ cpus, freeMB int }

// overheadMB is what QEMU takes beside the guest's memory: for itself, and for the code that it
// has translated.
const overheadMB = 256

// restMB is the memory that guests leave to the rest of the machine.
const restMB = 1024

// Beside returns how many guests of each of these lanes have room on so many CPUs of this machine,
// if the guests of all lanes run side by side. why says what there is. Beside returns 1 if there is
// room for none, or if the guest waits for gdb.
func (c Change) Beside(cpus int, lanes []string) (n int, why string, err error) {
	free, err := FreeMB()
	return machine{cpus, free}.beside(lanes, c), fmt.Sprintf("%d CPUs and %d MB of free memory", cpus, free), err
}

// beside counts a CPU of the machine for each CPU of a guest.
func (m machine) beside(lanes []string, c Change) int {
	cpus, memory := c.neededCPUs(lanes), c.NeededMB(lanes)
	if cpus == 0 || c.GDB != "" {
		return 1
	}
	return max(1, min(m.cpus/cpus, (m.freeMB-restMB)/memory))
}

// Crowded reports whether so many guests of each of these lanes have more CPUs together than these
// of the machine.
func (c Change) Crowded(n, cpus int, lanes []string) bool { return n*c.neededCPUs(lanes) > cpus }

// neededCPUs returns how many CPUs one guest of each of these lanes has together.
func (c Change) neededCPUs(lanes []string) int {
	cpus := 0
	for _, lane := range lanes {
		cpus += (Guest{Lane: lane, Change: c}).cpus()
	}
	return cpus
}

// CheckBeside returns an error if so many guests of each of these lanes, changed like c, need more
// memory than this machine has free.
func (c Change) CheckBeside(n int, lanes []string) error {
	free, err := FreeMB()
	if err != nil {
		return err
	}
	return machine{freeMB: free}.checkBeside(n, lanes, c)
}

func (m machine) checkBeside(n int, lanes []string, c Change) error {
	if need := n*c.NeededMB(lanes) + restMB; need > m.freeMB {
		return fmt.Errorf("%d guests side by side and the rest of the machine need %d MB of memory, and %d MB are free; give fewer, or pass auto", n*len(lanes), need, m.freeMB)
	}
	return nil
}

// NeededMB returns how much memory one guest of each of these lanes needs together, in MB.
func (c Change) NeededMB(lanes []string) int {
	return len(lanes) * ((Guest{Change: c}).memoryMB() + overheadMB)
}
