// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"time"
)

// rdtsc reads the time stamp counter.
func rdtsc() uint64

// tscKHz measures the rate of the host's time stamp counter, for the guest.
// QEMU's TCG shows the guest the host's counter. On a busy host the guest fails
// to calibrate it against the PIT, marks it unstable, and uses a clock that the
// vDSO cannot read. If it is told the rate, the guest does not calibrate. Of
// several short measurements tscKHz uses the one with the least delay between
// its two readings.
func tscKHz() int64 {
	best, bestGap := 0.0, time.Hour
	for range 3 {
		began, first, gap1 := paired()
		time.Sleep(5 * time.Millisecond)
		ended, last, gap2 := paired()
		if gap := max(gap1, gap2); gap < bestGap {
			best, bestGap = float64(last-first)/ended.Sub(began).Seconds()/1000, gap
		}
	}
	return int64(best + 0.5)
}

// paired reads both clocks, and returns how far apart the readings may be.
func paired() (t time.Time, tsc uint64, gap time.Duration) {
	before := time.Now()
	tsc = rdtsc()
	after := time.Now()
	gap = after.Sub(before)
	return before.Add(gap / 2), tsc, gap
}
