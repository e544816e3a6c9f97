package uinit

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// spareThreads is more than uinit ever needs at once.
const spareThreads = 12

// hoardThreads has the Go runtime start threads, which it keeps and uses before
// it asks for more. A test may leave so many processes that the kernel refuses
// another thread, and the runtime would end uinit before it has reaped them.
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

// How the kernel is to choose among processes when memory is out.
const (
	neverKill    = -1000
	killAsUsual  = 0
	oomScoreFile = "/proc/self/oom_score_adj"
)

// setOOMScore sets it for us and for what we start from now on.
func setOOMScore(adj int) error {
	return os.WriteFile(oomScoreFile, fmt.Appendln(nil, adj), 0)
}
