// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// stallText is what QEMU prints in the virtual lane when every CPU waits and no
// timer is set, so that guest time can never advance.
const stallText = "icount sleep disabled and no active timers"

// stallGrace is how long QEMU may take to exit after stallText, which it also
// prints when the guest resets.
const stallGrace = 2 * time.Second

// qemuLog is the file of QEMU's output. It looks for stallText in what is
// written.
type qemuLog struct {
	*os.File
	stalled chan struct{} // closed when QEMU has printed stallText

	mu   sync.Mutex // stdout and stderr are copied by two goroutines
	tail []byte     // end of the output, which may be the start of stallText
}

func newQEMULog(path string) (*qemuLog, error) {
	f, err := os.Create(path)
	return &qemuLog{File: f, stalled: make(chan struct{})}, err
}

func (l *qemuLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if bytes.Contains(l.tail, []byte(stallText)) {
		select {
		case <-l.stalled:
		default:
			close(l.stalled)
		}
	}
	l.tail = bytes.Clone(l.tail[max(0, len(l.tail)-len(stallText)+1):])
	return l.File.Write(p)
}
