// SPDX-License-Identifier: BSD-3-Clause

package verdict

import "timens-vmtest/internal/wire"

// recorded returns the text of a test's trace. It decides nothing. If the text cannot be
// unpacked, recorded returns what can.
func (t *testRecords) recorded() string {
	text, _ := wire.Unpack(t.trace, 2*wire.TraceLimit) // the guest adds a line or two
	return string(text)
}
