// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// fileSize returns the size that one file may have. vmtest hashes and copies what a
// build has made, also the holes of a file that takes no room on the disk.
func fileSize(l Limits) int64 { return l.Disk / 4 }

// hold gives this process the bounds that the kernel holds by itself: it refuses what
// the guard would notice only afterwards.
func (l Limits) hold() error {
	bounds := map[int]int64{
		unix.RLIMIT_NOFILE: 4096, // each file takes memory of the kernel, which no process is charged for
		// A crash could start the host's handler of core dumps, which runs outside of
		// the sandbox. 0 does not keep the kernel from starting it, and 1 does.
		unix.RLIMIT_CORE: 1,
	}
	if l.Processes > 0 {
		// Since Linux 5.14 this counts the processes of a user in one user namespace.
		bounds[unix.RLIMIT_NPROC] = l.Processes
	}
	if l.Disk > 0 {
		bounds[unix.RLIMIT_FSIZE] = fileSize(l)
	}
	for resource, bound := range bounds {
		var r unix.Rlimit
		if err := unix.Getrlimit(resource, &r); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		r.Max = min(r.Max, uint64(bound))
		r.Cur = r.Max
		if err := unix.Setrlimit(resource, &r); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

// prepare does what hold does by files in /proc. The sandbox's own /proc is read-only,
// so this comes before it is mounted.
func (l Limits) prepare() error {
	if l.Processes > 0 {
		if err := boundPIDs(l.Processes); err != nil {
			return err
		}
	}
	// If the host has no memory left all the same, the sandbox goes first.
	return os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
}

// reservedPIDs is the number below which the kernel gives a PID only once.
const reservedPIDs = 300

// boundPIDs bounds the numbers of processes in this PID namespace. The kernel does not
// hold the root user to RLIMIT_NPROC, whatever privileges a process has given up. Before
// Linux 6.14 namespaces have no such bound, and the guard alone is there for root.
func boundPIDs(n int64) error {
	err := os.WriteFile("/proc/sys/kernel/pid_max", fmt.Append(nil, n+reservedPIDs+1), 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
