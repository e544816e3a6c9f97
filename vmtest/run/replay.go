// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// mostReplays is how often a boot is replayed until QEMU comes to the end of the log. QEMU 7.2 was seen to stand still in
// the middle of a log, with a CPU that loops, and to replay the same log well the next time.
const mostReplays = 3

// replayLimits returns the limits of the replay of a boot. One that nobody debugs takes about as long as the boot took.
// Any other ends where its log ends, or when the user interrupts it.
func replayLimits(was wire.Exit, debugged bool) vm.Limits {
	const never = 24 * time.Hour
	limits := vm.Limits{Boot: never, Test: never, Rest: never, Run: never}
	if !debugged {
		limits.Run = time.Minute + 10*time.Duration(was.DurationS*float64(time.Second))
	}
	return limits
}

// recordedBoot is a boot that QEMU has recorded.
type recordedBoot struct {
	verdict.BootEvidence
	dir string // has the log, the archive and the evidence
}

// replay runs the boot that has run the test again, to the same instruction, and compares what the
// guest prints. With GDB it waits for gdb, which can go forward and back.
func (d *debugger) replay(ctx context.Context) (int, error) {
	was, err := d.recording()
	if err != nil {
		return 0, err
	}
	image, err := d.image(ctx, *was.Boot)
	if err != nil {
		return 0, err
	}
	d.describe(image)
	dir, err := os.MkdirTemp("", "vmtest-replay-")
	if err != nil {
		return 0, err
	}
	keep := false
	defer func() {
		if !keep {
			_ = os.RemoveAll(dir) // files that stay only take space
		}
	}()
	change := d.Request.Guest
	change.GDB = d.GDB
	g, err := d.runner.newGuest(image, change)
	if err != nil {
		return 0, err
	}
	g.Lane, g.Long, g.Accel, g.QEMU, g.Shard, g.From = d.Lane, d.Long, was.Boot.Accel, was.Boot.QEMU, was.Boot.Shard, was.Boot.From
	g.Key, g.Carried, g.Initramfs = was.Boot.Key, was.Boot.Carried, filepath.Join(was.dir, wire.InitramfsFile)
	g.Recording = vm.Recording{File: filepath.Join(was.dir, wire.ReplayFile), Replay: true}
	if d.GDB != "" {
		if g.Recording.Disk, err = snapshotDisk(ctx, dir); err != nil {
			return 0, err
		}
		d.Request.BreakPatch = d.BreakPatch
		if g.GDB, err = d.gdb(ctx, image, func() (kernel.Tree, error) { return d.tree(ctx) }); err != nil {
			return 0, err
		}
	}
	d.Report.Step("replay the boot that has run %s, lane %s", d.test, d.Lane)
	var exit wire.Exit
	for n := 1; n <= mostReplays; n++ {
		exit, err = vm.Boot(ctx, g, *was.Plan, replayLimits(*was.Exit, d.GDB != ""), dir, vm.Observer{Record: d.counted(was)})
		if exit.Reason != wire.RunTimeout {
			break
		}
		d.Report.Step("QEMU stands still in its log (replay %d of %d)", n, mostReplays)
	}
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, err
	case exit.Reason == wire.RunTimeout:
		return 0, errors.New("QEMU has not come to the end of its log; try it again when the machine has less to do, or with another version of QEMU")
	case d.GDB != "": // whoever went back has seen lines twice
		return 0, nil
	}
	keep, err = d.compareReplay(was, exit, dir)
	return 0, err
}

// recording finds the boot that has run the test.
func (d *debugger) recording() (recordedBoot, error) {
	lane, _ := d.stored.lane(d.Lane) // choose has found it
	d.guest.Shard = lane.Planned().ShardOf(d.Lane, d.test)
	d.plan = lane.Planned().Shard(d.Lane, d.guest.Shard)
	d.place(lane)
	boots := lane.BootsOf(d.guest.Shard)
	n := slices.IndexFunc(boots, func(b verdict.BootEvidence) bool { return b.Boot != nil && b.Boot.From == d.guest.From })
	dir := filepath.Join(d.Dir, d.Lane, wire.ShardDir(d.guest.Shard))
	if n < 0 {
		return recordedBoot{}, blame.Usagef("%s has no guest that has run %s, so there is nothing to replay", ShortPath(dir), d.test)
	}
	was := recordedBoot{boots[n], filepath.Join(dir, wire.BootDir(n+1))}
	for _, name := range []string{wire.ReplayFile, wire.InitramfsFile} {
		if !verdict.Exists(filepath.Join(was.dir, name)) {
			return was, blame.Usagef("%s has no %s, so there is nothing to replay; record the run: %s", ShortPath(was.dir), name, shell.Quote(append(slices.Clone(d.stored.evidence.Run.Command), "-lane", wire.Virtual, "-record")...))
		}
	}
	if was.Exit == nil {
		return was, fmt.Errorf("%s has no %s: the run was cut off, and so is its recording", ShortPath(was.dir), wire.ExitFile)
	}
	return was, nil
}

// snapshotDisk makes an empty image in a folder.
func snapshotDisk(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "snapshots.qcow2")
	out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", path, "1M").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("qemu-img, which gdb needs to go back: %w: %s; type \"sudo apt-get install qemu-utils\"", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// counted returns a function that reports which test runs.
func (d *debugger) counted(was recordedBoot) func(wire.Record) {
	done, tests := 0, len(was.Plan.Part(was.Boot.From))
	return func(r wire.Record) {
		if r.Type == wire.TypeStart {
			d.Report.Count("tests", done, tests, d.Lane+" "+r.TestID.String())
			done++
		}
	}
}

// compareReplay reports whether the guest has printed the same as when it was recorded. keep says
// that the user may want to look at the folder dir.
func (d *debugger) compareReplay(was recordedBoot, exit wire.Exit, dir string) (keep bool, err error) {
	console, err := os.ReadFile(filepath.Join(dir, wire.ConsoleFile))
	if err != nil {
		return false, err
	}
	want := was.Console
	if at := was.Exit.DumpAt; at > 0 && at < int64(len(want)) {
		want = want[:at] // the log does not have what the host did to a guest that hung
		console = console[:min(len(console), len(want))]
	}
	if len(want) == 0 {
		return false, fmt.Errorf("%s is empty, so nothing shows that the replay goes the same way", ShortPath(filepath.Join(was.dir, wire.ConsoleFile)))
	}
	if !bytes.Equal(console, want) {
		same := 0
		for same < min(len(console), len(want)) && console[same] == want[same] {
			same++
		}
		return true, fmt.Errorf("the replay has not gone the same way (it ended by %s): the consoles differ from byte %d on; compare them: %s", exit.Reason, same,
			shell.Quote("diff", ShortPath(filepath.Join(was.dir, wire.ConsoleFile)), filepath.Join(dir, wire.ConsoleFile)))
	}
	fmt.Printf("%s, lane %s: the guest has gone the same way, %d bytes of its console are equal (%.1f s)\n", d.test, d.Lane, len(want), exit.DurationS)
	return false, nil
}
