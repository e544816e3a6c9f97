// SPDX-License-Identifier: BSD-3-Clause

package wire

// DebugPath is the guest's file with a Debug. A guest without it runs its whole plan.
const DebugPath = "/etc/debug.json"

// CommandEnv is the environment variable in which a shell finds the command line that runs
// the test that is debugged. The first prompt shows it, ready to be run.
const CommandEnv = "VMTEST_COMMAND"

// Debug says where a guest stops its plan and serves a shell. The guest then sends frames
// instead of records, but for what the test prints.
type Debug struct {
	Test TestID `json:"test"` // the tests before it run as planned

	// AtFail says that the test runs, and that the shell begins when it fails. Otherwise the
	// shell begins before the test.
	AtFail bool `json:"at_fail,omitempty"`

	// Fail is the address of testing.(*common).Fail in the test's binary. Every test that
	// fails calls this function first.
	Fail uint64 `json:"fail,omitempty"`
}
