// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hugelgupf/vmtest/qemu"

	"timens-vmtest/internal/wire"
)

// maxLine is longer than any record. It limits our memory, not the file.
const maxLine = 1 << 20

// supervisor follows one boot: it copies the ports into files, reads the
// records, and ends the boot when a limit is exceeded.
type supervisor struct {
	plan    wire.Plan
	limits  Limits
	observe Observer
	stalled <-chan struct{} // closed when no CPU can ever run again
	waiting func()          // is called when the user's gdb can come; nil: none comes
	preset  *preset         // set by the debugger, which is then one of the ports
	ports

	vmcore   Vmcore
	memoryMB int    // of the guest
	key      string // of the run, see Guest
	traced   bool   // see Guest
	recorded bool   // QEMU writes a log
}

// run starts QEMU, and returns when it has ended and all its output is on disk.
func (s supervisor) run(ctx context.Context, opts *qemu.Options, dir string) (wire.Exit, error) {
	// QEMU must end only when we end it, so that every end leaves an
	// exit.json.
	qctx, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	// QEMU is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w := &watch{supervisor: s, dir: dir, kill: kill, began: time.Now(), exit: wire.Exit{Reason: wire.EndedItself}, stepReason: wire.BootTimeout}
	vm, err := opts.Start(qctx)
	if err != nil {
		return wire.Exit{}, err
	}
	w.qemu = started()
	if err := s.handOver(); err != nil {
		return wire.Exit{}, err
	}
	go s.monitor.listen()
	if s.waiting != nil {
		go s.waiting()
	}
	w.readPorts(dir)
	exited := make(chan error, 1)
	go func() { exited <- vm.Wait() }()
	w.follow(ctx, exited)
	if w.exit.Reason == wire.EndedItself && ctx.Err() != nil {
		w.exit.Reason = interruption(ctx) // the terminal sends Ctrl-C to QEMU, too
	}
	w.exit.DurationS, w.exit.WaitedS = time.Since(w.began).Seconds(), w.step.waited.Seconds()
	return w.exit, nil
}

// ErrFailedFast is the cause of a context that ends because a test has failed.
var ErrFailedFast = errors.New("stopped at the first failure")

// interruption returns the reason for an exit that the end of a context has caused.
func interruption(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), ErrFailedFast) {
		return wire.FailedFast
	}
	return wire.Interrupted
}

// watch is a running boot.
type watch struct {
	supervisor
	dir   string
	kill  func()
	qemu  process
	began time.Time
	exit  wire.Exit // as far as it is known

	lines       chan wire.Record
	spoken      chan string  // lines of the console, if somebody looks
	printed     atomic.Int64 // bytes of the console so far
	consoleDone chan error
	recordsDone chan error
	presetDone  chan error
	canDump     chan error

	done   bool // the guest has run all its tests
	paused bool // it has reset, and QEMU has stopped it
	asked  bool // QEMU was asked to end

	step       *limit
	stepReason string       // why the boot ends when step fires
	overdue    *wire.Record // start record of a test that uinit must end if it takes too long
}

// readPorts starts copying the ports into files.
func (w *watch) readPorts(dir string) {
	w.lines, w.spoken = make(chan wire.Record), make(chan string)
	w.consoleDone, w.recordsDone, w.presetDone, w.canDump = make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		var each func([]byte)
		if w.observe.Console != nil {
			each = func(line []byte) { w.spoken <- string(bytes.TrimRight(line, "\r")) }
		}
		w.consoleDone <- save(counted{w.console, &w.printed}, filepath.Join(dir, wire.ConsoleFile), each)
	}()
	go func() {
		w.recordsDone <- save(w.records, filepath.Join(dir, wire.RecordsFile), func(line []byte) {
			if r, err := wire.ParseRecord(line); err == nil { // other lines are left to the judge
				w.lines <- r
			}
		})
		close(w.lines)
	}()
	if w.preset != nil {
		go func() { w.presetDone <- w.debugger.apply(*w.preset) }()
	}
	if w.vmcore.Format != "" {
		go func() { w.canDump <- w.monitor.canDump(w.vmcore.Format) }()
	}
}

// follow returns when QEMU has ended and its ports are read to their ends.
func (w *watch) follow(ctx context.Context, exited <-chan error) {
	total := newLimit(w.limits.Run, w.qemu)
	defer total.Stop()
	w.step = newLimit(w.limits.Boot, w.qemu)
	defer w.step.Stop()
	if w.waiting != nil { // the guest has not started
		total.hold()
		w.step.hold()
	}
	lines, interrupt, reset := w.lines, ctx.Done(), w.vmcore.reset(w.monitor)
	for exited != nil || lines != nil || w.consoleDone != nil || w.recordsDone != nil {
		select {
		case r, ok := <-lines:
			if !ok {
				lines = nil
				break
			}
			w.hear()
			w.record(r)
		case line := <-w.spoken:
			w.observe.Console(line)
		case yes := <-w.monitor.runs:
			total.runs(yes)
			w.step.runs(yes)
		case <-w.step.C:
			if w.step.passed() {
				w.stepPassed()
			}
		case <-total.C:
			if total.passed() {
				w.stop(wire.RunTimeout, "")
			}
		case <-w.stalled:
			w.await(stallGrace, wire.Stalled)
			w.stalled = nil
		case <-interrupt:
			w.stop(interruption(ctx), "")
			if !w.recorded || interruption(ctx) != wire.FailedFast {
				w.kill() // at once, even during a task dump
			}
			interrupt = nil
		case <-reset:
			w.paused, reset = true, nil
			w.trouble(errors.Join(w.console.finish(), w.records.finish()))
		case err := <-w.presetDone:
			w.trouble(err)
		case err := <-w.canDump:
			w.trouble(err)
		case err := <-w.consoleDone:
			w.consoleDone = nil
			w.trouble(err)
		case err := <-w.recordsDone:
			w.recordsDone = nil
			w.trouble(err)
		case err := <-exited:
			var unkept error
			w.exit.Status, w.exit.Signal, unkept = ended(err)
			w.trouble(unkept)
			exited = nil
		}
		if w.paused && lines == nil && w.consoleDone == nil && w.recordsDone == nil {
			w.leave()
		}
	}
}

// leave ends QEMU after the guest has reset and all that it wrote is read. A guest that has not run
// all its tests has died, and leaves its memory. A boot that the host ends is ended by stop.
func (w *watch) leave() {
	if w.asked || w.exit.Reason != wire.EndedItself {
		return
	}
	w.asked = true
	go func() {
		if !w.done {
			w.vmcore.leave(w.monitor, w.dir, w.memoryMB)
		}
		if err := w.monitor.command(`{"execute":"quit"}`); err != nil && !gone(err) {
			w.kill()
		}
	}()
}

// hearLimit is how long hear waits for lines that are on their way. The guest may print without
// end.
const hearLimit = time.Second

// hear passes on what the kernel has printed so far. The kernel prints at once, while uinit
// reads what a test prints from a pipe. So what is waiting here is older than the record
// that has come.
func (w *watch) hear() {
	if w.observe.Console == nil {
		return
	}
	for end := time.Now().Add(hearLimit); !w.console.idle() && time.Now().Before(end); {
		select {
		case line := <-w.spoken:
			w.observe.Console(line)
		case <-time.After(time.Millisecond): // the lines are not cut yet
		}
	}
}

// record sets the limit of the step that the guest is now in.
func (w *watch) record(r wire.Record) {
	switch r.Type {
	case wire.TypeHello:
		w.exit.BootS = time.Since(w.began).Seconds()
		w.await(w.limits.Rest, wire.TestTimeout)
	case wire.TypeStart:
		w.await(w.timeout(*r.TestID)+w.limits.Test/4, wire.TestTimeout)
		w.overdue = &r
	case wire.TypeEnd, wire.TypeDone, wire.TypeTrouble:
		w.await(w.limits.Rest, wire.TestTimeout)
		w.overdue = nil
		w.done = w.done || r.Type == wire.TypeDone && r.Key == w.key
	}
	w.observe.Record(r)
}

// await sets the time that the guest has for its next step. It does nothing for
// a stalled guest, whose remaining output is still being read.
func (w *watch) await(d time.Duration, reason string) {
	if w.stepReason != wire.Stalled {
		w.step.Reset(d)
		w.stepReason = reason
	}
}

// stepPassed asks uinit to end a test that is overdue. It ends the boot if
// uinit was already asked, or if no test is overdue.
func (w *watch) stepPassed() {
	if w.overdue == nil || w.stepReason == wire.Stalled {
		w.stop(w.stepReason, "")
		return
	}
	// An error means that QEMU has ended, which the loop notices next.
	_, _ = w.records.Write(wire.Overdue(w.overdue.Seq))
	w.await(w.limits.Test*3/4, wire.TestTimeout)
	w.overdue = nil
}

// trouble ends the boot because of an error of the host; nil is no error.
func (w *watch) trouble(err error) {
	if err != nil {
		w.stop(wire.HostTrouble, err.Error())
	}
}

// stop ends the boot. Only the first reason counts. A guest that hangs dumps
// its tasks, and leaves its memory, before QEMU is killed; the dump of its tasks is read meanwhile.
func (w *watch) stop(reason, text string) {
	if w.exit.Reason != wire.EndedItself {
		return
	}
	w.exit.Reason, w.exit.Text = reason, text
	switch reason {
	case wire.BootTimeout, wire.TestTimeout, wire.RunTimeout, wire.Stalled:
		w.exit.DumpAt = w.printed.Load()
		go func() {
			w.dump(&w.printed)
			if w.vmcore.Format != "" {
				w.vmcore.leave(w.monitor, w.dir, w.memoryMB)
			}
			w.end()
		}()
	default:
		go w.end()
	}
}

// quitGrace is how long QEMU may take to write the end of its log.
const quitGrace = 10 * time.Second

// end ends QEMU. If it records, it is asked first: the end of its log is still in its memory.
func (w *watch) end() {
	if w.recorded && w.monitor.command(`{"execute":"quit"}`) == nil {
		time.Sleep(quitGrace)
	}
	w.kill()
}

// timeout returns a test's timeout in the plan, or 0 for a test that is not
// planned.
func (s supervisor) timeout(id wire.TestID) time.Duration {
	for _, t := range s.plan.Tests {
		if t.TestID == id {
			return time.Duration(t.TimeoutS * float64(time.Second))
		}
	}
	return 0
}

// save copies a port to a file until QEMU closes it, and passes each complete line, without
// its newline, to each; nil: nobody wants them. A line that is longer than any record is cut.
func save(from io.Reader, path string, each func([]byte)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	var partial []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return errors.Join(werr, f.Close())
		}
		if each != nil {
			partial = append(partial, buf[:n]...)
			for {
				line, rest, ok := bytes.Cut(partial, []byte("\n"))
				if !ok {
					break
				}
				partial = rest
				each(line)
			}
			if len(partial) > maxLine {
				partial = nil // too long for a record; the judge sees it in the file
			}
		}
		if err == io.EOF {
			return f.Close()
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
