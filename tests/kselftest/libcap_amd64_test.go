// SPDX-License-Identifier: BSD-3-Clause

package kselftest

import "testing"

// withLibcap are the programs that need libcap.
var withLibcap = []string{"clone3/clone3_cap_checkpoint_restore"}

// A process that has only CAP_CHECKPOINT_RESTORE can set the PID of its child.
func TestClone3CapCheckpointRestore(t *testing.T) { run(t, withLibcap[0]) }
