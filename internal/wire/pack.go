// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// Pack compresses a text for Record.Data, because the UART is slow.
func Pack(text []byte) ([]byte, error) {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, err := z.Write(text)
	err = errors.Join(err, z.Close())
	return small.Bytes(), err
}

// Unpack returns the text that Pack has compressed. A test may have written the data: if it is
// damaged, or if the text has more than limit bytes, Unpack returns the beginning and an error.
func Unpack(data []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, limit+1))
	if int64(len(text)) > limit {
		return text[:limit], fmt.Errorf("it unpacks to more than %d bytes", limit)
	}
	return text, err
}
