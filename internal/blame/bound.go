// SPDX-License-Identifier: BSD-3-Clause

package blame

import "fmt"

// BoundError says that a command that runs code of a series used more than it may, and
// was ended. The kernel under test is to blame for it.
type BoundError struct {
	Command string // the name of the command, such as "make"
	Did     string // which bound it broke, and the bound's value: "printed more than 64MiB"
	Raise   string // a higher bound, as -sandbox-limits takes it: "output=128MiB"
}

// Error names the bound and says how to raise it.
func (e *BoundError) Error() string {
	return fmt.Sprintf("%s %s, and was ended; if you trust the series, raise this bound with -sandbox-limits %s", e.Command, e.Did, e.Raise)
}
