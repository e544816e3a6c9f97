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

// maxLine is longer than any record: it bounds our memory, not the file.
const maxLine = 1 << 20

// supervisor follows one boot: it copies the ports into files, reads along, and
// ends the boot when a limit passes.
type supervisor struct {
	plan    wire.Plan
	limits  Limits
	observe func(wire.Record) // is shown every record
	stalled <-chan struct{} // closed when QEMU has nothing to run
	preset  *preset         // by the debugger, which then is one of the ports
	ports
}

// run starts QEMU and returns when it has ended and all that it said is on
// disk.
func (s supervisor) run(ctx context.Context, opts *qemu.Options, dir string) (wire.Exit, error) {
	// QEMU's life is ours to end, so that every end leaves an exit.json.
	qctx, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	// QEMU ends with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w := &watch{supervisor: s, kill: kill, began: time.Now(), exit: wire.Exit{Reason: wire.EndedItself}, stepReason: wire.BootTimeout}
	vm, err := opts.Start(qctx)
	if err != nil {
		return wire.Exit{}, err
	}
	if err := s.handOver(); err != nil {
		return wire.Exit{}, err
	}
	w.readPorts(dir)
	exited := make(chan error, 1)
	go func() { exited <- vm.Wait() }()
	w.follow(ctx, exited)
	if w.exit.Reason == wire.EndedItself && ctx.Err() != nil {
		w.exit.Reason = wire.Interrupted // the terminal's Ctrl-C reached QEMU before us
	}
	w.exit.DurationS = time.Since(w.began).Seconds()
	return w.exit, nil
}

// watch is one boot under way.
type watch struct {
	supervisor
	kill  func()
	began time.Time
	exit  wire.Exit // as far as it is known

	lines       chan wire.Record
	printed     atomic.Int64 // bytes of the console so far
	consoleDone chan error
	recordsDone chan error
	presetDone  chan error

	step       *time.Timer
	stepReason string       // why the boot ends when step fires
	overdue    *wire.Record // start of the test that uinit is to end, if that takes too long
}

// readPorts begins to copy the ports into files.
func (w *watch) readPorts(dir string) {
	w.lines = make(chan wire.Record)
	w.consoleDone, w.recordsDone, w.presetDone = make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { w.consoleDone <- save(counted{w.console, &w.printed}, filepath.Join(dir, wire.ConsoleFile), nil) }()
	go func() {
		w.recordsDone <- save(w.records, filepath.Join(dir, wire.RecordsFile), w.lines)
		close(w.lines)
	}()
	if w.preset != nil {
		go func() { w.presetDone <- w.debugger.apply(*w.preset) }()
	}
}

// follow returns when QEMU has ended and its ports are read to their ends.
func (w *watch) follow(ctx context.Context, exited <-chan error) {
	total := time.NewTimer(w.limits.Run)
	defer total.Stop()
	w.step = time.NewTimer(w.limits.Boot)
	defer w.step.Stop()
	lines, interrupt := w.lines, ctx.Done()
	for exited != nil || lines != nil || w.consoleDone != nil || w.recordsDone != nil {
		select {
		case r, ok := <-lines:
			if !ok {
				lines = nil
				break
			}
			w.record(r)
		case <-w.step.C:
			w.stepPassed()
		case <-total.C:
			w.stop(wire.RunTimeout, "")
		case <-w.stalled:
			w.await(stallGrace, wire.Stalled)
			w.stalled = nil
		case <-interrupt:
			w.stop(wire.Interrupted, "")
			w.kill() // even while a hanging kernel dumps its tasks
			interrupt = nil
		case err := <-w.presetDone:
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
	}
}

// record moves the limit of the step that the guest is in.
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
	}
	w.observe(r)
}

// await gives the guest time for its next step. What is still to be read of a guest
// that has stalled does not wake it.
func (w *watch) await(d time.Duration, reason string) {
	if w.stepReason != wire.Stalled {
		w.step.Reset(d)
		w.stepReason = reason
	}
}

// stepPassed has uinit end a test that is overdue, and ends the boot if that was
// tried or there is none.
func (w *watch) stepPassed() {
	if w.overdue == nil || w.stepReason == wire.Stalled {
		w.stop(w.stepReason, "")
		return
	}
	// An error here means that QEMU is gone, which shows soon.
	_, _ = w.records.Write(wire.Overdue(w.overdue.Seq))
	w.await(w.limits.Test*3/4, wire.TestTimeout)
	w.overdue = nil
}

// trouble ends the boot for an error of the host's; nil is none.
func (w *watch) trouble(err error) {
	if err != nil {
		w.stop(wire.HostTrouble, err.Error())
	}
}

// stop ends the boot. The first reason counts. A guest that hangs dumps its tasks
// before QEMU is killed, and what it dumps is read meanwhile.
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
			w.kill()
		}()
	default:
		w.kill()
	}
}

// timeout is the plan's for a test; 0 for one that is not planned.
func (s supervisor) timeout(id wire.TestID) time.Duration {
	for _, t := range s.plan.Tests {
		if t.TestID == id {
			return time.Duration(t.TimeoutS * float64(time.Second))
		}
	}
	return 0
}

// save copies a port to a file until QEMU closes it, and sends what parses as
// a record to lines. What does not parse is for the judge to see.
func save(from io.Reader, path string, lines chan<- wire.Record) error {
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
		if lines != nil {
			partial = append(partial, buf[:n]...)
			for {
				line, rest, ok := bytes.Cut(partial, []byte("\n"))
				if !ok {
					break
				}
				partial = rest
				if r, err := wire.ParseRecord(line); err == nil {
					lines <- r
				}
			}
			if len(partial) > maxLine {
				partial = nil // no record; the judge sees it in the file
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
