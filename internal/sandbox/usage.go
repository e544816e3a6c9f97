// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// procOf returns the path of the /proc that the processes of a sandbox see. pid is the
// sandbox's first process.
func procOf(pid int) string { return fmt.Sprintf("/proc/%d/root/proc", pid) }

// usage returns how many threads the processes of a sandbox have, and how much memory.
// pid is the sandbox's first process. Memory that processes share after a fork counts
// for each of them. A process that ends meanwhile counts nothing.
func usage(pid int) (threads, memory int64) {
	proc := procOf(pid)
	dir, err := os.Open(proc)
	if err != nil { // the sandbox is gone
		return 0, 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0
	}
	// Before the command sees its own /proc, and where no own one can be mounted, the
	// processes of others are there too.
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return 0, 0
	}
	first, err := os.Readlink(filepath.Join(proc, "1", "ns", "pid"))
	own := err == nil && first == ns
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if !own {
			if other, err := os.Readlink(filepath.Join(proc, name, "ns", "pid")); err != nil || other != ns {
				continue
			}
		}
		status, err := os.ReadFile(filepath.Join(proc, name, "status"))
		if err == nil {
			t, m := readStatus(status)
			threads, memory = threads+t, memory+m
		}
	}
	return threads, memory
}

// readStatus returns the threads and the memory of a process, from its file
// /proc/PID/status. Pages of files count nothing, because the kernel can drop them. The
// tables that map memory do count: a process can make gigabytes of them.
func readStatus(status []byte) (threads, memory int64) {
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		fields := bytes.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch string(name) {
		case "RssAnon", "RssShmem", "VmPTE", "VmSwap":
			if kb, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
				memory += kb << 10
			}
		case "Threads":
			if n, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
				threads = n
			}
		}
	}
	return threads, memory
}
