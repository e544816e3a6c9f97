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
	replies chan reply    // result of each command; closed when QEMU has ended
	runs    chan bool     // gets true when the guest begins to run, and false when it was stopped
	reset   chan struct{} // closed when the guest resets or powers off
	closed  chan struct{} // nobody waits for runs any more

	mu    sync.Mutex // of commands
	ready bool       // QEMU takes commands
}

// reply is QEMU's answer to a command.
type reply struct {
	value json.RawMessage
	err   error
}

func newMonitor(opts *qemu.Options) (*monitor, error) {
	p, err := newPort(opts, "monitor", "-mon", "chardev=monitor,mode=control")
	if err != nil {
		return nil, err
	}
	return &monitor{port: p, replies: make(chan reply), runs: make(chan bool), reset: make(chan struct{}), closed: make(chan struct{})}, nil
}

// listen reads what QEMU says until QEMU ends.
func (m *monitor) listen() {
	defer close(m.replies)
	lines := bufio.NewScanner(m)
	lines.Buffer(nil, maxLine)
	down := false
	for lines.Scan() {
		var said struct {
			Event  string
			Data   struct{ Guest bool } // of the event SHUTDOWN: the guest did it, and not a signal or we
			Return *json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			continue // whoever waits for an answer notices
		}
		switch {
		case said.Return != nil:
			m.reply(reply{value: *said.Return})
		case said.Error != nil:
			m.reply(reply{err: errors.New(said.Error.Desc)})
		case said.Event == "SHUTDOWN" && said.Data.Guest && !down:
			down = true
			close(m.reset)
		case said.Event == "STOP" || said.Event == "RESUME":
			select {
			case m.runs <- said.Event == "RESUME":
			case <-m.closed:
				return
			}
		}
	}
}

// alone receives runs when nobody else does any more, so that listen goes on.
func (m *monitor) alone() {
	for {
		select {
		case <-m.runs:
		case <-m.closed:
			return
		}
	}
}

func (m *monitor) reply(r reply) {
	select {
	case m.replies <- r:
	case <-m.closed:
	}
}

// command sends a command and waits for its result.
func (m *monitor) command(text string) error {
	_, err := m.within(answerLimit, text)
	return err
}

// within sends a command and returns its result, for which QEMU may take some time.
func (m *monitor) within(patience time.Duration, text string) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready {
		if _, err := m.ask(answerLimit, `{"execute":"qmp_capabilities"}`); err != nil {
			return nil, err
		}
		m.ready = true
	}
	return m.ask(patience, text)
}

// listening returns when QEMU has begun to take commands. Then all its ports are open.
func (m *monitor) listening() error { return m.command(`{"execute":"query-status"}`) }

func (m *monitor) ask(patience time.Duration, text string) (json.RawMessage, error) {
	if err := m.SetWriteDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(m, text); err != nil {
		return nil, err
	}
	select {
	case r, ok := <-m.replies:
		if !ok {
			return nil, io.EOF
		}
		return r.value, r.err
	case <-time.After(patience):
		return nil, fmt.Errorf("QEMU's monitor does not answer %s", text)
	}
}
