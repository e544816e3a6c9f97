// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/json"
	"fmt"
	"os"
)

// The names of the files of evidence in the folder of a boot. One party writes each
// file. The host writes the inputs before it uses them.
const (
	PlanFile      = "plan.json"      // the Plan; the host writes it before the boot, and also to the folder of a lane that is split
	BootFile      = "boot.json"      // a Boot; the host writes it before the boot
	ConsoleFile   = "console.log"    // all bytes of the first UART; QEMU writes it
	RecordsFile   = "records.jsonl"  // all bytes of the second UART; QEMU writes it
	QEMUFile      = "qemu.log"       // what QEMU itself prints
	ExitFile      = "exit.json"      // an Exit; the host writes it last
	GDBFile       = "gdb.commands"   // commands for the user's gdb, if the guest waits for it; the host writes it before the boot
	VmcoreFile    = "vmcore"         // the memory of a guest that died, if the user wants it; QEMU writes it
	ReplayFile    = "replay.log"     // all that the guest got from outside, if the user wants to replay it; QEMU writes it
	InitramfsFile = "initramfs.cpio" // the archive; the host keeps it only beside a ReplayFile
	DecodedFile   = "decoded.log"    // ConsoleFile with source lines added to addresses; the host writes it if there are any
)

// BootDir returns the folder of the n-th boot of a lane or of a shard, counted from 1,
// relative to the folder of the lane or of the shard. The folder of the first boot is that
// folder itself, because most guests boot only once.
func BootDir(n int) string {
	if n == 1 {
		return "."
	}
	return fmt.Sprintf("boot%d", n)
}

// Boot describes what the host is about to boot. The judge compares the record hello with
// it.
type Boot struct {
	Lane          string   `json:"lane"`
	Shard         int      `json:"shard,omitempty"` // from 1; 0 if the lane is not split
	Accel         string   `json:"accel"`           // "kvm" or "tcg"
	BootID        string   `json:"boot_id"`
	Key           string   `json:"key"`  // contents of the guest's file KeyPath
	From          int      `json:"from"` // index of the first test of the plan to run
	BuildID       string   `json:"build_id"`
	ConfigSHA256  string   `json:"config_sha256"`
	VmlinuxSHA256 string   `json:"vmlinux_sha256,omitempty"` // of the kernel that QEMU loads; empty in the evidence of older runs
	Carried       string   `json:"carried,omitempty"`        // Carried.Digest of the files that earlier guests have left; the archive holds them
	QEMU          string   `json:"qemu"`                     // its version line
	Cmdline       []string `json:"cmdline"`                  // the command line of QEMU
}

// The reasons why a boot ended.
const (
	EndedItself = "ended"        // QEMU exited: the guest reset, or QEMU died; see Status and Signal
	BootTimeout = "boot-timeout" // the record hello did not come in time
	TestTimeout = "test-timeout" // the record end of a test did not come, long after the guest should have killed the test
	RunTimeout  = "run-timeout"  // the boot as a whole took too long
	Stalled     = "stalled"      // virtual lane: every CPU was idle and no timer was set, so nothing could happen any more
	Interrupted = "interrupted"  // the user interrupted it
	FailedFast  = "failed fast"  // another test failed, and the run was to stop at the first failure
	HostTrouble = "host-trouble" // evidence could not be written
)

// Exit says how a boot ended. If a folder has no Exit, its run was cut off.
type Exit struct {
	Reason    string  `json:"reason"`
	Text      string  `json:"text,omitempty"`     // detail for host-trouble
	Status    int     `json:"status"`             // exit status of QEMU; -1 if a signal ended it
	Signal    string  `json:"signal,omitempty"`   // name of the signal that ended QEMU; empty if we sent it
	DumpAt    int64   `json:"dump_at,omitempty"`  // offset in the console log at which the host asked the kernel for a dump of its tasks; 0: it did not ask
	BootS     float64 `json:"boot_s"`             // host seconds from QEMU's start to the record hello; 0 if it did not come
	DurationS float64 `json:"duration_s"`         // host seconds from QEMU's start to its end
	WaitedS   float64 `json:"waited_s,omitempty"` // of these, how long QEMU had to wait for a CPU of the host, up to the last record; 0 if the host does not count it
}

// WriteJSON writes a value as JSON to a file of evidence. If that fails, it removes the
// file.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		_ = os.Remove(path) // the file may not exist
		return err
	}
	return nil
}
