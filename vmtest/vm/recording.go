// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Recording says whether QEMU writes down all that a guest of the virtual lane gets from outside,
// or gives it the same again at the same instructions. The zero value: neither.
type Recording struct {
	File   string // of QEMU's log
	Replay bool   // the log is read, else it is written
	Disk   string // image in which gdb's steps back find the guest's beginning; "": gdb steps forward only
}

// of reports whether a guest is recorded or replayed.
func (r Recording) of() bool { return r.File != "" }

// icount returns what QEMU's option -icount says of it.
func (r Recording) icount() string {
	mode := "record"
	switch {
	case !r.of():
		return ""
	case r.Replay:
		mode = "replay"
	}
	return fmt.Sprintf(",rr=%s,rrfile=%s", mode, qemuValue(r.File))
}

// machine returns the arguments of QEMU for the machine. No device of the guest has the image. Without
// the device that helps old 32-bit guests with their APIC, QEMU 7.2 can go back more than once: when
// it resets the device, its main thread waits for the CPU, which waits for the lock of the log, which
// the main thread has.
func (r Recording) machine() []string {
	if !r.of() {
		return nil
	}
	args := []string{"-global", "apic.vapic=off"}
	if r.Disk == "" {
		return args
	}
	return append(args, "-drive", "if=none,id=snapshots,format=qcow2,file="+qemuValue(r.Disk))
}

// snapshotLimit is how long QEMU may take to write the state of the guest to the image.
const snapshotLimit = time.Minute

// snapshot writes the state of a guest that has not started to its image. QEMU goes back from there.
func (m *monitor) snapshot() error {
	answer, err := m.within(snapshotLimit, `{"execute":"human-monitor-command","arguments":{"command-line":"savevm begin"}}`)
	if err != nil {
		return fmt.Errorf("QEMU's savevm: %w", err)
	}
	var said string
	if err := json.Unmarshal(answer, &said); err != nil {
		return fmt.Errorf("QEMU's savevm: %w", err)
	}
	if said = strings.TrimSpace(said); said != "" {
		return fmt.Errorf("QEMU's savevm: %s", said)
	}
	return nil
}
