// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/json"
	"fmt"
)

// ShellPath is the guest's shell.
const ShellPath = "/bin/sh"

// ShareDir is the guest's folder with the files of a folder of the host, if the user shares
// one with a shell.
const ShareDir = "/share"

// The host shows the console at its terminal between these two lines of the
// kernel's log. Before the first line the machine boots. After the second it resets.
const (
	ShellBegins = "vmtest: the shell begins"
	ShellEnds   = "vmtest: the shell ends"
)

// Frame is a message between "vmtest shell" and the guest: a line of JSON on
// the UART that carries the records of a run. The kernel's console is the other
// UART, so no kernel message can get between the bytes of a program.
type Frame struct {
	Type string `json:"type"`

	Args  []string `json:"args,omitempty"`  // of FrameStart: the command; none: the shell
	Term  string   `json:"term,omitempty"`  // of FrameStart: $TERM of a terminal; empty: no terminal, but pipes
	Data  []byte   `json:"data,omitempty"`  // of FrameInput, FrameStdout and FrameStderr
	Rows  uint16   `json:"rows,omitempty"`  // of FrameStart and FrameSize
	Cols  uint16   `json:"cols,omitempty"`  // of FrameStart and FrameSize
	Code  int      `json:"code,omitempty"`  // of FrameExit: as in a shell; for a signal 128 plus its number
	Ended bool     `json:"ended,omitempty"` // of FrameReady: the test that is debugged has ended with exit status 0
	Text  string   `json:"text,omitempty"`  // of FrameTrouble; of FrameReady in a guest that is debugged: where it has stopped
}

// Types of frames. The guest begins with FrameReady, and the host answers with
// FrameStart.
const (
	FrameReady   = "ready"   // guest: it waits for FrameStart
	FrameTaken   = "taken"   // guest: the last FrameInput has been passed on, so the next may come
	FrameStdout  = "stdout"  // guest: the command, or the terminal, prints Data
	FrameStderr  = "stderr"  // guest: the command prints Data
	FrameExit    = "exit"    // guest: the command has ended; the guest resets next
	FrameTrouble = "trouble" // guest: Text says why it cannot serve; the guest resets next

	FrameStart  = "start"  // host: run Args
	FrameInput  = "input"  // host: type Data, at most FrameDataLimit bytes
	FrameEnd    = "end"    // host: there is no more input
	FrameSize   = "size"   // host: the window has Rows and Cols
	FrameRedraw = "redraw" // host: something was printed over the prompt
)

// FrameDataLimit is how many bytes a frame may carry. A UART of the guest has no
// flow control, and its driver drops what exceeds 64 kB.
const FrameDataLimit = 4 << 10

// Line returns the frame as a line.
func (f Frame) Line() ([]byte, error) {
	text, err := json.Marshal(f)
	return append(text, '\n'), err
}

// ParseFrame reads a line.
func ParseFrame(line []byte) (Frame, error) {
	var f Frame
	if err := json.Unmarshal(line, &f); err != nil {
		return Frame{}, fmt.Errorf("frame %.80q: %w", line, err)
	}
	if f.Type == "" {
		return Frame{}, fmt.Errorf("frame %.80q has no type", line)
	}
	return f, nil
}
