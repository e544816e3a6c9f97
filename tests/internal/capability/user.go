package capability

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetUser makes the calling thread, which should be one of osthread.Run, that of
// an ordinary user, who has no capability at all. As after a login, and not as
// after a setuid(), the thread's files in /proc are the user's.
func SetUser(uid int) error {
	// Those of package unix are for all threads.
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
