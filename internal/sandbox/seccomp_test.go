// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"path/filepath"
	"slices"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// What a build needs works in the sandbox, and the other system calls return an error.
// A program goes on after each of them.
func TestSystemCalls(t *testing.T) {
	needSandbox(t)
	source, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	const want = `clone 0
thread 0
socketpair 0
AF_INET 0
personality 0
clone3 ENOSYS
CLONE_NEWUSER EPERM
unshare EPERM
AF_ALG EAFNOSUPPORT
AF_VSOCK EAFNOSUPPORT
ADDR_NO_RANDOMIZE EPERM
keyctl EPERM
io_uring_setup ENOSYS
memfd_create ENOSYS
shmget ENOSYS
process_vm_readv EPERM
ptrace EPERM
getpid of i386 ENOSYS
getpid of x32 ENOSYS
`
	if got := sh(t, t.TempDir(), []string{source}, "gcc -o calls "+source+"/calls.c && ./calls"); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// The calls that an unprivileged process cannot make anyway, and so cannot tell from
// refused ones, are in the filter too.
func TestPolicyRefuses(t *testing.T) {
	p := policy()
	for _, name := range []string{"mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick",
		"mount_setattr", "bpf", "add_key", "request_key", "userfaultfd", "io_uring_enter", "io_uring_register", "setns", "process_vm_writev",
		"perf_event_open", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct",
		"quotactl", "name_to_handle_at", "open_by_handle_at"} {
		if !slices.ContainsFunc(p.Syscalls, func(g seccomp.SyscallGroup) bool {
			return slices.Contains(g.Names, name) && (g.Action == errno(unix.EPERM) || g.Action == errno(unix.ENOSYS))
		}) {
			t.Errorf("%s is not refused", name)
		}
	}
}
