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
	watch   func(wire.Record)
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
	began := time.Now()
	vm, err := opts.Start(qctx)
	if err != nil {
		return wire.Exit{}, err
	}
	if err := s.handOver(); err != nil {
		return wire.Exit{}, err
	}
	lines := make(chan wire.Record)
	var printed atomic.Int64 // bytes of the console so far
	consoleDone := make(chan error, 1)
	recordsDone := make(chan error, 1)
	go func() { consoleDone <- save(counted{s.console, &printed}, filepath.Join(dir, wire.ConsoleFile), nil) }()
	go func() {
		recordsDone <- save(s.records, filepath.Join(dir, wire.RecordsFile), lines)
		close(lines)
	}()
	presetDone := make(chan error, 1)
	if s.preset != nil {
		go func() { presetDone <- s.debugger.apply(*s.preset) }()
	}
	exited := make(chan error, 1)
	go func() { exited <- vm.Wait() }()

	exit := wire.Exit{Reason: wire.EndedItself}
	total := time.NewTimer(s.limits.Run)
	step := time.NewTimer(s.limits.Boot)
	stepReason := wire.BootTimeout
	defer total.Stop()
	defer step.Stop()
	// What is still to be read of a guest that has stalled does not wake it.
	await := func(d time.Duration, reason string) {
		if stepReason != wire.Stalled {
			step.Reset(d)
			stepReason = reason
		}
	}
	var overdue *wire.Record // start of the test that uinit is to end, if that takes too long
	interrupt := ctx.Done()
	stop := func(reason, text string) {
		if exit.Reason != wire.EndedItself {
			return
		}
		exit.Reason, exit.Text = reason, text
		switch reason {
		case wire.BootTimeout, wire.TestTimeout, wire.RunTimeout, wire.Stalled:
			exit.DumpAt = printed.Load()
			go func() { // the loop goes on to read what is dumped
				s.dump(&printed)
				kill()
			}()
		default:
			kill()
		}
	}
	for running := true; running; {
		select {
		case r, ok := <-lines:
			if !ok {
				lines = nil
				break
			}
			switch r.Type {
			case wire.TypeHello:
				exit.BootS = time.Since(began).Seconds()
				await(s.limits.Rest, wire.TestTimeout)
			case wire.TypeStart:
				await(s.timeout(*r.TestID)+s.limits.Test/4, wire.TestTimeout)
				overdue = &r
			case wire.TypeEnd, wire.TypeDone, wire.TypeTrouble:
				await(s.limits.Rest, wire.TestTimeout)
				overdue = nil
			}
			s.watch(r)
		case <-step.C:
			if overdue == nil || stepReason == wire.Stalled {
				stop(stepReason, "")
				break
			}
			// An error here means that QEMU is gone, which shows soon.
			_, _ = s.records.Write(wire.Overdue(overdue.Seq))
			await(s.limits.Test*3/4, wire.TestTimeout)
			overdue = nil
		case <-total.C:
			stop(wire.RunTimeout, "")
		case <-s.stalled:
			await(stallGrace, wire.Stalled)
			s.stalled = nil
		case <-interrupt:
			stop(wire.Interrupted, "")
			kill() // even while a hanging kernel dumps its tasks
			interrupt = nil
		case err := <-presetDone:
			if err != nil {
				stop(wire.HostTrouble, err.Error())
			}
		case err := <-consoleDone:
			consoleDone = nil
			if err != nil {
				stop(wire.HostTrouble, err.Error())
			}
		case err := <-recordsDone:
			recordsDone = nil
			if err != nil {
				stop(wire.HostTrouble, err.Error())
			}
		case err := <-exited:
			var unkept error
			exit.Status, exit.Signal, unkept = ended(err)
			if unkept != nil {
				stop(wire.HostTrouble, unkept.Error())
			}
			exited = nil
		}
		running = exited != nil || lines != nil || consoleDone != nil || recordsDone != nil
	}
	if exit.Reason == wire.EndedItself && ctx.Err() != nil {
		exit.Reason = wire.Interrupted // the terminal's Ctrl-C reached QEMU before us
	}
	exit.DurationS = time.Since(began).Seconds()
	return exit, nil
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
