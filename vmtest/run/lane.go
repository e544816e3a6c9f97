// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// lane is a lane of a run that is being booted, or one shard of it.
type lane struct {
	*runner
	prepared
	guest vm.Guest
	plan  wire.Plan
	dir   string
	learn func(wire.Exit) error // keeps whether the guest booted under KVM; nil: not wanted

	expect []verdict.Expectation // on this kernel
	allow  []verdict.Allowance
	stop   func() // ends all lanes at the first failure; nil: they continue

	seen    verdict.Live       // of the boot that runs
	console string             // path of its log
	running int                // index into the plan; -1 between tests
	done    bool               // the guest has run all its tests
	live    report.Live        // output of the running test
	left    wire.Carried       // files that tests left for a later guest
	began   time.Time          // when the running test began
	took    map[string]float64 // how long tests took that were as expected, in seconds of the host, by package.Name
	ended   *atomic.Int64      // how many tests have ended, in all lanes
	of      int                // how many tests there are, in all lanes
}

// maxBoots is how often a lane boots at most. It boots again when a guest dies in a test.
const maxBoots = 20

// label names the guest in what is shown: "real", or "real/2" if the lane is split.
func (l *lane) label() string { return wire.Label(l.guest.Lane, l.guest.Shard) }

// boot boots the lane or the shard. A guest that dies in a test costs only that test: the next boot
// continues with the next test. Tests for a later guest get a boot of their own. guests ends
// with -fail-fast; the splat that ends it still gets its source lines.
func (l *lane) boot(ctx, guests context.Context) error {
	limits := limitsOf(l.guest.Lane, l.Timeout)
	l.left = make(wire.Carried)
	for n := 1; ; n++ {
		sub := filepath.Join(l.dir, wire.BootDir(n))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		l.running, l.done = -1, false
		l.seen, l.console = verdict.Live{}, filepath.Join(sub, wire.ConsoleFile)
		exit, err := l.bootGuest(guests, limits, sub)
		l.splats()
		l.show(l.live.Rest()) // the output of a test in which the guest died
		if l.learn != nil {
			err = errors.Join(err, l.learn(exit))
		}
		if err != nil {
			return err
		}
		if err := l.decode(ctx, l.image, sub); err != nil {
			l.Report.Step("call traces have no source lines: %v", err)
		}
		next := l.next(exit)
		if next < 0 || next == len(l.plan.Tests) || n == maxBoots {
			return nil
		}
		if l.done {
			l.Report.Step("lane %s: boot %d is the later guest; it runs %d tests from %s on", l.label(), n+1, len(l.plan.Part(next)), l.plan.Tests[next].TestID)
		} else {
			l.failed()
			if l.stop != nil {
				return nil
			}
			l.Report.Step("lane %s: the guest died in %s; boot %d continues with %s", l.label(), l.plan.Tests[l.running].TestID, n+1, l.plan.Tests[next].TestID)
		}
		l.guest.From = next
	}
}

// bootGuest boots the guest and leaves the evidence in sub. A later guest gets the files
// that were left for it.
func (l *lane) bootGuest(ctx context.Context, limits vm.Limits, sub string) (wire.Exit, error) {
	g := l.guest
	if g.From >= l.plan.Later() {
		text, err := l.archive.With(l.left)
		if err != nil {
			return wire.Exit{}, err
		}
		g.Initramfs, g.Carried = filepath.Join(sub, wire.InitramfsFile), l.left.Digest()
		if !l.Record {
			defer os.Remove(g.Initramfs)
		}
		if err := os.WriteFile(g.Initramfs, text, 0o644); err != nil {
			return wire.Exit{}, err
		}
	} else if l.Record {
		kept := filepath.Join(sub, wire.InitramfsFile)
		if err := os.Link(g.Initramfs, kept); err != nil {
			return wire.Exit{}, err
		}
		g.Initramfs = kept
	}
	if l.Record {
		g.Recording.File = filepath.Join(sub, wire.ReplayFile)
	}
	o := vm.Observer{Record: l.watch}
	if l.Verbose {
		o.Console = l.kernelSays
	}
	exit, err := vm.Boot(ctx, g, l.plan, limits, sub, o)
	if l.guest.Vmcore.One.Left() {
		l.guest.Vmcore = vm.Vmcore{} // one of a lane is enough, and bounds the size
	}
	return exit, err
}

// next returns the index of the test with which another guest continues, or -1 if there is
// none. exit says how the last guest ended.
func (l *lane) next(exit wire.Exit) int {
	switch exit.Reason {
	case wire.EndedItself, wire.TestTimeout, wire.Stalled:
	default:
		return -1
	}
	switch later := l.plan.Later(); {
	case l.done && l.guest.From < later:
		return later
	case !l.done && l.running >= 0:
		return l.running + 1
	}
	return -1
}

// watch shows what fails, and which test runs. If Verbose is set, it shows what the test prints and how its
// process ended. What the kernel prints is shown by kernelSays, between the lines of the test. Only the judge says whether the test passed.
func (l *lane) watch(r wire.Record) {
	switch r.Type {
	case wire.TypeStart:
		l.began = time.Now()
		l.running = slices.IndexFunc(l.plan.Tests, func(t wire.Test) bool { return t.TestID == *r.TestID })
		l.Report.Count("tests", int(l.ended.Load()), l.of, l.label()+" "+r.TestID.String())
	case wire.TypeOutput:
		if l.Verbose {
			l.show(l.live.Add(r.Data))
		}
	case wire.TypeLeft:
		if r.Key == l.guest.Key {
			_ = l.left.Add(r) // the judge reports a file that is left twice
		}
	case wire.TypeEnd:
		l.show(l.live.Rest())
		if l.Verbose {
			l.Report.Step("%s %s ended, %s, after %.2f s", l.label(), r.TestID, how(*r.End), r.End.DurationS)
		}
		l.running = -1
		if r.End.Again {
			l.Report.Step("%s %s: QEMU's emulation seems to have ended it, and not the kernel: it runs again", l.label(), r.TestID)
			return
		}
		l.ended.Add(1)
	case wire.TypeDone:
		l.done = r.Key == l.guest.Key
	}
	l.failures(r)
}

// show reports lines that the running test printed.
func (l *lane) show(lines []string) {
	test := "a test"
	if l.running >= 0 {
		test = l.plan.Tests[l.running].String()
	}
	for _, line := range lines {
		l.Report.Step("%s %s | %s", l.label(), test, line)
	}
}

// kernelSays reports a line that the kernel printed.
func (l *lane) kernelSays(line string) {
	for _, text := range report.Shown(line) {
		l.Report.Step("%s kernel | %s", l.label(), text)
	}
}

// how says how the process of a test ended. That is not a verdict.
func how(e wire.End) string {
	switch {
	case e.TimedOut:
		return "killed after its timeout"
	case e.Signal != "":
		return "by " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Exit)
}
