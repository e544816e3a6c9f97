// SPDX-License-Identifier: BSD-3-Clause

// The second test in this file needs a series with offsets.

package clone3

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/relay"
	"timens-vmtest/tests/internal/timens"
)

// checkpoints is what one machine leaves to the next.
type checkpoints struct {
	Uptime timens.Offsets // when the first image was taken
	Images map[string]image
}

// A process that waits for timers can be checkpointed, in the initial and in other
// time namespaces. TestOffsetsRestoreOnLaterMachine restores these processes.
//
//vmtest:quiet real
func TestCheckpointForLaterMachine(t *testing.T) {
	timens.Need(t)
	relay.Need(t)
	outlast(t)
	c := checkpoints{initialClocks(t), map[string]image{"unshifted": checkpoint(t, timens.Offsets{})}}
	for _, machine := range namespaces {
		c.Images[machine.name] = checkpoint(t, machine.offsets)
	}
	relay.Leave(t, c)
}

// outlast waits until this machine has been up for longer than the next one will
// have been when it runs its test, if that one boots as fast as this one did. After
// a long plan this machine has been up long enough already.
func outlast(t *testing.T) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", os.Getppid()))
	if err != nil {
		t.Fatal(err)
	}
	// Fields after the name: field 3 is the state, field 22 the start time
	// in ticks of 10 ms.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	if _, err := fmt.Sscan(fields[22-3], &ticks); err != nil {
		t.Fatal(err)
	}
	lead := 3 * time.Second
	if lane.Virtual() {
		lead = 25 * time.Second
	}
	beUpFor(t, 2*time.Duration(ticks)*10*time.Millisecond+lead)
}

// On a machine with a shorter uptime, one clone3() call restores each process:
// its clocks do not go back by a nanosecond, absolute timers keep their
// deadlines, and relative timers keep the time that they had left.
//
//vmtest:after TestCheckpointForLaterMachine
//vmtest:quiet real
func TestOffsetsRestoreOnLaterMachine(t *testing.T) {
	kernel := design.Need(t)
	relay.Need(t)
	c := relay.Find[checkpoints](t)
	if len(c.Images) != 1+len(namespaces) {
		t.Fatalf("there are %d images, want those of %d processes", len(c.Images), 1+len(namespaces))
	}
	times, containers := 2, namespaces[:2]
	if !lane.Virtual() { // in real time all of them take so long that the uptime exceeds the checkpoint's
		times, containers = 1, containers[:1]
	}
	for _, name := range slices.Sorted(maps.Keys(c.Images)) {
		i := c.Images[name]
		t.Run(name, func(t *testing.T) {
			for _, id := range timens.Clocks {
				if now := timens.Now(t, id); now >= c.Uptime.Of(id) {
					t.Errorf("%v shows %v on this machine, want less than the %v of the checkpoint's", id, now, c.Uptime.Of(id))
				}
			}
			restoreAgain(t, kernel, i, times)
			for _, container := range containers {
				restoreFrom(t, kernel, container.offsets, i)
			}
		})
	}
}
