package vm

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// stallText is what QEMU says in the virtual lane when every CPU waits and no
// timer is set: guest time has nothing to jump to.
const stallText = "icount sleep disabled and no active timers"

// stallGrace is how long QEMU may take to exit once it has said so, as it also
// does when the guest resets.
const stallGrace = 2 * time.Second

// qemuLog is the file of what QEMU prints. It reads along.
type qemuLog struct {
	*os.File
	stalled chan struct{} // closed when QEMU has said stallText

	mu   sync.Mutex // QEMU's two outputs are copied side by side
	tail []byte     // what may be the beginning of stallText
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
