// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
)

// A frame is one line, and the line gives the frame again.
func TestFrame(t *testing.T) {
	for _, f := range []Frame{
		{Type: FrameReady, Ended: true, Text: "before p.TestA\n"},
		{Type: FrameStart, Args: []string{"echo", "a\nb"}, Term: "xterm", Rows: 24, Cols: 80},
		{Type: FrameInput, Data: []byte("ls\n\x00\xff")},
		{Type: FrameExit, Code: 137},
	} {
		line, err := f.Line()
		if err != nil || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("%+v became %q, %v, want one line", f, line, err)
		}
		if got, err := ParseFrame(bytes.TrimSuffix(line, []byte("\n"))); err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%+v became %q, which is %+v, %v", f, line, got, err)
		}
	}
}

// An error quotes the begin of the line: it may be what a kernel has printed.
func TestParseFrameRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"":                 `frame "": `,
		"[    1.0] BUG: x": `frame "[    1.0] BUG: x": `,
		`{"text":"x"}`:     `frame "{\"text\":\"x\"}" has no type`,
		`{"type":""}`:      `frame "{\"type\":\"\"}" has no type`,
		`{"type":"ready"`:  `frame "{\"type\":\"ready\"": `,
		`{"type":3}`:       `frame "{\"type\":3}": `,
	} {
		f, err := ParseFrame([]byte(line))
		if err == nil || !strings.HasPrefix(err.Error(), want) || !reflect.DeepEqual(f, Frame{}) {
			t.Errorf("%q: got %+v, %v, want the error %s", line, f, err, want)
		}
	}
	if _, err := ParseFrame(bytes.Repeat([]byte("x"), 1000)); err == nil || len(err.Error()) > 200 {
		t.Errorf("got %v, want a short error", err)
	}
}

// The driver of the guest's UART drops what exceeds 64 kB, and the largest frame is less. A frame
// that carries little would make a program slow: each frame is answered before the next.
func TestFrameDataLimit(t *testing.T) {
	line, err := Frame{Type: FrameInput, Data: make([]byte, FrameDataLimit)}.Line()
	if err != nil || len(line) > 64<<10 || len(line) < base64.StdEncoding.EncodedLen(1<<10) {
		t.Errorf("the largest frame has %d bytes, %v, want 1 kB to 64 kB", len(line), err)
	}
}
