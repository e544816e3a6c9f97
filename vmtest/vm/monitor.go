// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hugelgupf/vmtest/qemu"
)

// monitor is QEMU's monitor, with the protocol QMP. listen has to run while it is used.
type monitor struct {
	*port
	replies chan error    // result of each command; closed when QEMU has ended
	runs    chan bool     // gets true when the guest begins to run, and false when it was stopped
	closed  chan struct{} // nobody waits for runs any more

	mu    sync.Mutex // of commands
	ready bool       // QEMU takes commands
}

func newMonitor(opts *qemu.Options) (*monitor, error) {
	p, err := newPort(opts, "monitor", "-mon", "chardev=monitor,mode=control")
	if err != nil {
		return nil, err
	}
	return &monitor{port: p, replies: make(chan error), runs: make(chan bool), closed: make(chan struct{})}, nil
}

// listen reads what QEMU says until QEMU ends.
func (m *monitor) listen() {
	defer close(m.replies)
	lines := bufio.NewScanner(m)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var said struct {
			Event  string
			Return *json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			continue // whoever waits for an answer notices
		}
		switch {
		case said.Return != nil:
			m.reply(nil)
		case said.Error != nil:
			m.reply(errors.New(said.Error.Desc))
		case said.Event == "STOP" || said.Event == "RESUME":
			select {
			case m.runs <- said.Event == "RESUME":
			case <-m.closed:
				return
			}
		}
	}
}

func (m *monitor) reply(err error) {
	select {
	case m.replies <- err:
	case <-m.closed:
	}
}

// command sends a command and waits for its result.
func (m *monitor) command(text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready {
		if err := m.ask(`{"execute":"qmp_capabilities"}`); err != nil {
			return err
		}
		m.ready = true
	}
	return m.ask(text)
}

// listening returns when QEMU has begun to take commands. Then all its ports are open.
func (m *monitor) listening() error { return m.command(`{"execute":"query-status"}`) }

func (m *monitor) ask(text string) error {
	if err := m.SetWriteDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(m, text); err != nil {
		return err
	}
	select {
	case err, ok := <-m.replies:
		if !ok {
			return io.EOF
		}
		return err
	case <-time.After(answerLimit):
		return fmt.Errorf("QEMU's monitor does not answer %s", text)
	}
}

// limit is a timer that waits while the guest is stopped by a debugger.
type limit struct {
	*time.Timer
	ends time.Time
	left time.Duration // while it is held
	held bool
}

func newLimit(d time.Duration) *limit {
	return &limit{Timer: time.NewTimer(d), ends: time.Now().Add(d)}
}

// Reset lets the timer end after d, or d after release.
func (l *limit) Reset(d time.Duration) {
	l.left, l.ends = d, time.Now().Add(d)
	if !l.held {
		l.Timer.Reset(d)
	}
}

// hold stops the timer until release.
func (l *limit) hold() {
	if !l.held {
		l.held, l.left = true, time.Until(l.ends)
		l.Timer.Stop()
	}
}

// release lets the timer go on with the time that was left.
func (l *limit) release() {
	if l.held {
		l.held = false
		l.Reset(l.left)
	}
}

// runs holds the timer or releases it.
func (l *limit) runs(yes bool) {
	if yes {
		l.release()
	} else {
		l.hold()
	}
}
