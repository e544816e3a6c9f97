package vm

import (
	"bufio"
	"fmt"
	"sync/atomic"
	"time"
)

// How long a hanging kernel has to dump its tasks. It is done when it has been
// quiet for a while after it began.
const (
	sysrqLimit = 3 * time.Second  // to begin
	nmiLimit   = 10 * time.Second // likewise; seen where two CPUs loop on a busy host: 2 s
	dumpQuiet  = time.Second
	dumpLimit  = 20 * time.Second
)

// answerLimit is how long QEMU's monitor may take to answer: the host is busy
// with a guest whose CPUs all loop, and maybe with more.
const answerLimit = 10 * time.Second

// dump has a hanging kernel print what all its tasks do: by SysRq-T, and where
// nothing answers that, because no CPU takes interrupts, by an NMI, which makes
// it panic. It says nothing of how that went: the console shows it.
func (s supervisor) dump(printed *atomic.Int64) {
	m := bufio.NewReader(s.monitor)
	before := printed.Load()
	if s.command(m, `{"execute":"qmp_capabilities"}`) == nil &&
		s.command(m, `{"execute":"chardev-send-break","arguments":{"id":"console"}}`) == nil {
		if _, err := s.console.Write([]byte("t")); err == nil {
			waitQuiet(printed, sysrqLimit)
		}
	}
	if printed.Load() == before && s.command(m, `{"execute":"inject-nmi"}`) == nil {
		waitQuiet(printed, nmiLimit)
	}
}

// command sends a command to QEMU's monitor and waits until it was carried out.
func (s supervisor) command(m *bufio.Reader, text string) error {
	if err := s.monitor.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(s.monitor, text); err != nil {
		return err
	}
	for { // past the greeting and events
		line, err := m.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) > 9 && line[:9] == `{"return"` {
			return nil
		}
	}
}

// waitQuiet returns when the console has grown and then not for dumpQuiet, or
// when it has not begun to within a time.
func waitQuiet(printed *atomic.Int64, begin time.Duration) {
	last, since, patience := printed.Load(), time.Now(), begin
	for end := time.Now().Add(dumpLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if now := printed.Load(); now != last {
			last, since, patience = now, time.Now(), dumpQuiet
		} else if time.Since(since) > patience {
			return
		}
	}
}
