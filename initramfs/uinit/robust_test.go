// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"os"
	"testing"
	"time"
)

// The threads that hoardThreads starts stay when they are idle.
func TestHoardThreads(t *testing.T) {
	hoardThreads()
	for range 3 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		if len(threads) <= spareThreads {
			t.Fatalf("%d threads, want more than %d", len(threads), spareThreads)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
