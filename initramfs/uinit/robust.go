// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// spareThreads is more than uinit ever needs at the same time.
const spareThreads = 12

// hoardThreads makes the Go runtime start threads in advance, which it keeps
// and reuses. A test may leave so many processes that the kernel refuses
// another thread. The runtime would then end uinit before uinit has killed
// them.
func hoardThreads() {
	var started sync.WaitGroup
	var release sync.WaitGroup
	started.Add(spareThreads)
	release.Add(1)
	for range spareThreads {
		go func() {
			runtime.LockOSThread()
			started.Done()
			release.Wait()
			runtime.UnlockOSThread()
		}()
	}
	started.Wait()
	release.Done()
}

// Priorities for the kernel when it has to kill a process because memory is
// out.
const (
	neverKill    = -1000
	killAsUsual  = 0
	oomScoreFile = "/proc/self/oom_score_adj"
)

// setOOMScore sets the priority of this process and of those that it starts
// from now on.
func setOOMScore(adj int) error {
	return os.WriteFile(oomScoreFile, fmt.Appendln(nil, adj), 0)
}
