// SPDX-License-Identifier: BSD-3-Clause

package vm

import "time"

// limit is a timer for a guest. It waits while the guest is stopped by a debugger, and goes on
// for as long as QEMU had to wait for a CPU of the host: a guest that got none does not hang.
type limit struct {
	*time.Timer
	ends   time.Time
	left   time.Duration // while it is held
	held   bool
	qemu   process
	began  scheduled     // of qemu, when the time that runs now began
	waited time.Duration // how long qemu had waited until then
}

// newLimit returns a timer that ends after d.
func newLimit(d time.Duration, qemu process) *limit {
	l := &limit{Timer: time.NewTimer(d), qemu: qemu}
	l.begin(d)
	return l
}

func (l *limit) begin(d time.Duration) {
	l.left, l.ends, l.began = d, time.Now().Add(d), l.qemu.scheduled()
	l.waited = max(l.waited, l.qemu.waited(scheduled{}, l.began)) // QEMU may have ended
}

// Reset lets the timer end after d, or d after release.
func (l *limit) Reset(d time.Duration) {
	l.begin(d)
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

// passed reports whether the time is over, when the timer has ended. If QEMU has waited for a
// CPU meanwhile, the timer runs once more for as long.
func (l *limit) passed() bool {
	waited := l.qemu.waited(l.began, l.qemu.scheduled())
	if waited < leastWait {
		return true
	}
	l.Reset(waited)
	return false
}

// leastWait is what any thread waits for a CPU now and then.
const leastWait = 100 * time.Millisecond
