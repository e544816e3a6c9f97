// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a process whose threads may have to wait for a CPU of the host. The zero value is
// none, which never waits.
type process struct{ pid string }

// started returns the process that the calling thread has started last. The thread must be locked
// to its goroutine. Without CONFIG_PROC_CHILDREN the host does not tell, and it returns none.
func started() process {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", syscall.Gettid()))
	if all := strings.Fields(string(children)); len(all) > 0 {
		return process{all[len(all)-1]}
	}
	return process{}
}

// scheduled is what the host's scheduler has counted of a process, from its start to a moment.
type scheduled struct {
	at      time.Time
	threads map[string]turns // by thread ID; empty if the process has ended, or if the host does not count
}

// turns is what a thread's file schedstat has (Documentation/scheduler/sched-stats.rst). The time
// that a thread waited is added when it gets a CPU.
type turns struct{ ran, waited time.Duration }

func (p process) scheduled() scheduled {
	s := scheduled{at: time.Now(), threads: make(map[string]turns)}
	if p.pid == "" {
		return s
	}
	files, _ := filepath.Glob(filepath.Join("/proc", p.pid, "task", "*", "schedstat")) // the pattern is well-formed
	for _, file := range files {
		var t turns
		text, err := os.ReadFile(file)
		if err == nil {
			_, err = fmt.Sscan(string(text), (*int64)(&t.ran), (*int64)(&t.waited))
		}
		if err == nil {
			s.threads[filepath.Base(filepath.Dir(file))] = t
		}
	}
	return s
}

// ready reports whether a thread runs or waits for a CPU.
func (p process) ready(thread string) bool {
	text, _ := os.ReadFile(filepath.Join("/proc", p.pid, "task", thread, "stat"))
	_, after, _ := bytes.Cut(text, []byte(") ")) // of the thread's name
	return bytes.HasPrefix(after, []byte("R"))
}

// waited returns how long the process waited for a CPU between two moments. That is the time of
// the thread that waited the longest.
func (p process) waited(from, to scheduled) time.Duration {
	var longest time.Duration
	for thread, now := range to.threads {
		was, old := from.threads[thread]
		wait := now.waited - was.waited
		if old && now == was && p.ready(thread) { // it had no turn at all
			wait = to.at.Sub(from.at)
		}
		longest = max(longest, wait)
	}
	return longest
}
