// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/json"
	"fmt"
	"os"
)

// A boot's folder holds its evidence. Each file is written by one party, and
// inputs are written before they are used.
const (
	PlanFile    = "plan.json"     // Plan; host, before the boot
	BootFile    = "boot.json"     // Boot; host, before the boot
	ConsoleFile = "console.log"   // all bytes of the first UART; QEMU
	RecordsFile = "records.jsonl" // all bytes of the second UART; QEMU
	QEMUFile    = "qemu.log"      // what QEMU itself printed
	ExitFile    = "exit.json"     // Exit; host, last of the boot
	DecodedFile = "decoded.log"   // ConsoleFile line by line, with source lines; host, if there are any to add
)

// BootDir is the folder of a lane's n-th boot, from 1, relative to the lane's:
// the folder itself for the first, as there is no other most of the time.
func BootDir(n int) string {
	if n == 1 {
		return "."
	}
	return fmt.Sprintf("boot%d", n)
}

// Boot is what the host is about to boot. The judge compares hello with it.
type Boot struct {
	Lane         string   `json:"lane"`
	Accel        string   `json:"accel"` // "kvm" or "tcg"
	BootID       string   `json:"boot_id"`
	Key          string   `json:"key"`  // that the guest was given in KeyPath
	From         int      `json:"from"` // index of the first test of the plan to run
	BuildID      string   `json:"build_id"`
	ConfigSHA256 string   `json:"config_sha256"`
	Carried      string   `json:"carried,omitempty"` // digest of the files that the archive has from guests before
	QEMU         string   `json:"qemu"`              // version line
	Cmdline      []string `json:"cmdline"`           // of QEMU
}

// Reasons why a boot ended.
const (
	EndedItself = "ended"        // QEMU exited: the guest reset or QEMU died, see Status and Signal
	BootTimeout = "boot-timeout" // no hello in time
	TestTimeout = "test-timeout" // a test's end did not come, long after the guest should have killed it
	RunTimeout  = "run-timeout"  // the boot as a whole took too long
	Stalled     = "stalled"      // virtual lane: every CPU waited and no timer was set, so that nothing would ever happen again
	Interrupted = "interrupted"  // by the user
	HostTrouble = "host-trouble" // evidence could not be written
)

// Exit is how a boot ended. A folder without it is of a run that was cut off.
type Exit struct {
	Reason    string  `json:"reason"`
	Text      string  `json:"text,omitempty"`    // detail for host-trouble
	Status    int     `json:"status"`            // of QEMU; -1 when a signal ended it
	Signal    string  `json:"signal,omitempty"`  // that ended QEMU, unless we sent it
	DumpAt    int64   `json:"dump_at,omitempty"` // where in the console log the kernel was asked to dump its tasks
	BootS     float64 `json:"boot_s"`            // host seconds from QEMU's start to hello; 0 without one
	DurationS float64 `json:"duration_s"`        // host seconds from QEMU's start to its end
}

// WriteJSON writes a file of evidence, whole or not at all.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		_ = os.Remove(path) // it may not even have been made
		return err
	}
	return nil
}
