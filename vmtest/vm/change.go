// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Change is what a user changes of the guest. Its zero value is the standard guest.
type Change struct {
	CPUs     int      `json:"cpus,omitempty"`      // 0: the number of the lane
	MemoryMB int      `json:"memory_mb,omitempty"` // 0: the standard amount
	Append   []string `json:"append,omitempty"`    // parameters of the kernel, behind ours
	QEMUArgs []string `json:"qemu_args,omitempty"` // arguments of QEMU, behind ours
	GDB      string   `json:"gdb,omitempty"`       // where the guest waits for gdb: AnySocket, or a port; "": it does not wait
}

// Flags returns the flags that make the change, one element for each. It returns nil for the
// standard guest.
func (c Change) Flags() []string {
	var all []string
	if c.CPUs != 0 {
		all = append(all, fmt.Sprintf("-smp %d", c.CPUs))
	}
	if c.MemoryMB != 0 {
		all = append(all, fmt.Sprintf("-memory %dM", c.MemoryMB))
	}
	for _, a := range c.Append {
		all = append(all, "-append "+a)
	}
	for _, a := range c.QEMUArgs {
		all = append(all, "-qemu-arg "+a)
	}
	switch c.GDB {
	case "":
	case AnySocket:
		all = append(all, "-gdb")
	default:
		all = append(all, "-gdb="+c.GDB)
	}
	return all
}

// leastMemoryMB is what every guest needs for its kernel and for the programs that run.
const leastMemoryMB = 128

// Check returns an error if so many guests that run side by side cannot be changed like this.
func (c Change) Check(guests int) error {
	if c.MemoryMB != 0 && c.MemoryMB < leastMemoryMB {
		return fmt.Errorf("-memory %dM is too little for a guest; give at least %dM", c.MemoryMB, leastMemoryMB)
	}
	free, err := FreeMB()
	if err != nil {
		return err
	}
	if guests*c.MemoryMB > free {
		return fmt.Errorf("-memory %dM: this machine has %dM free for %s; give less", c.MemoryMB, free, guestsOf(guests))
	}
	return nil
}

func guestsOf(n int) string {
	if n == 1 {
		return "one guest"
	}
	return fmt.Sprintf("the %d guests that run side by side", n)
}

// fits returns an error if the archive does not fit into the guest's memory. The kernel keeps
// the archive until it is unpacked, so that the files are there twice.
func (g Guest) fits() error {
	info, err := os.Stat(g.Initramfs)
	if err != nil {
		return nil // QEMU says what is wrong with the file
	}
	if need := leastMemoryMB + int(2*info.Size()>>20); g.memoryMB() < need {
		return fmt.Errorf("the guest has %d MB of memory, and with its files it needs %d MB; pass -memory %dM, or share fewer files", g.memoryMB(), need, need)
	}
	return nil
}

// FreeMB returns how many MB of memory a new program can have on this machine without swapping.
func FreeMB() (int, error) { return freeMB("/proc/meminfo") }

// freeMB does what FreeMB does, from a file such as /proc/meminfo.
func freeMB(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // opened for reading only
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			var kB int
			_, err := fmt.Sscanf(value, "%d kB", &kB)
			return kB >> 10, err
		}
	}
	return 0, fmt.Errorf("%s has no MemAvailable", path)
}
