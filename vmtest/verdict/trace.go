// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"compress/gzip"
	"io"

	"timens-vmtest/internal/wire"
)

// recorded returns the text of a test's trace. It decides nothing. If the text cannot be
// unpacked, recorded returns what can.
func (t *testRecords) recorded() string {
	z, err := gzip.NewReader(bytes.NewReader(t.trace))
	if err != nil {
		return ""
	}
	// The guest bounds the text, and a test may have written the record.
	text, _ := io.ReadAll(io.LimitReader(z, 2*wire.TraceLimit))
	return string(text)
}
