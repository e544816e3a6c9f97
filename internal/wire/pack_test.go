// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"strings"
	"testing"
)

// What was packed is unpacked again. Data that is damaged or too large gives an error, and what
// could be read of it.
func TestUnpack(t *testing.T) {
	text := []byte(strings.Repeat("counts ", 1000))
	packed, err := Pack(text)
	if err != nil || len(packed) > len(text)/10 {
		t.Fatalf("%d bytes are packed into %d, %v", len(text), len(packed), err)
	}
	for name, tc := range map[string]struct {
		data  []byte
		limit int
		want  []byte
		fails bool
	}{
		"whole":      {packed, len(text), text, false},
		"too large":  {packed, len(text) - 1, text[:len(text)-1], true},
		"cut off":    {packed[:len(packed)-1], len(text), text, true},
		"not packed": {text, len(text), nil, true},
		"nothing":    {nil, len(text), nil, true},
	} {
		if got, err := Unpack(tc.data, int64(tc.limit)); !bytes.Equal(got, tc.want) || (err != nil) != tc.fails {
			t.Errorf("%s: got %d bytes, %v, want %d bytes", name, len(got), err, len(tc.want))
		}
	}
	if _, err := Unpack(packed, 10); err == nil || err.Error() != "it unpacks to more than 10 bytes" {
		t.Errorf("got the error %v", err)
	}
}
