// SPDX-License-Identifier: BSD-3-Clause

package capability

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetUser gives the calling thread, which should be one of osthread.Run, the
// IDs of an ordinary user without any capability. As after a login, and unlike
// after setuid(), the user owns the thread's files in /proc.
func SetUser(uid int) error {
	// The functions of package unix change all threads.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return fmt.Errorf("setresgid %d: %w", uid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return fmt.Errorf("setresuid %d: %w", uid, errno)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	return nil
}
