// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are the system calls that no build needs, by the error that they return. They
// have had the most faults, reach what namespaces do not cover, or take memory that no
// process is charged for. None of them kills the caller: a configure script that probes
// for one goes on without it.
var refused = map[unix.Errno][]string{
	unix.EPERM: {
		// File systems. The command has no privileges, so these only are ways to more of the kernel.
		"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr",
		"swapon", "swapoff", "quotactl", "quotactl_fd", "acct", "name_to_handle_at", "open_by_handle_at", "fanotify_init",
		// New namespaces have privileges of their own.
		"unshare", "setns",
		// Other processes.
		"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
		// The machine.
		"bpf", "perf_event_open", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "syslog",
		"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
		// The keyrings of the caller.
		"keyctl", "add_key", "request_key",
	},
	unix.ENOSYS: {
		// The flags of clone3 are in memory, where a filter cannot look. Who gets ENOSYS calls clone.
		"clone3",
		"openat2", // the same, with the mode of a new file
		"userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "modify_ldt",
		// Memory that belongs to no process, so that the bound on memory does not see it.
		"memfd_create", "memfd_secret", "shmget", "msgget", "semget",
	},
}

// newNamespaces are the flags of clone that make a namespace. CLONE_NEWTIME is none of
// them: clone takes it for a part of the signal.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// families are the kinds of sockets that programs use inside a machine. The network
// namespace confines them. A socket of another kind may reach farther: AF_VSOCK leads
// from a virtual machine to its host.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// The personalities of <sys/personality.h> that change only what uname says.
const (
	perLinux   = 0
	perLinux32 = 0x0008
	uname26    = 0x0020000
)

// personalities are those that switch off no protection of a program, and the value
// that asks for the present one.
var personalities = []uint64{perLinux, perLinux32, uname26, perLinux32 | uname26, 0xffffffff}

// modes are the calls that give a file its mode, and the argument that has it. What the
// command writes belongs to the caller, so a file that is set-user-ID would run with
// the caller's rights for every user of the host who can reach it.
var modes = map[string]uint32{
	"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "open": 2, "openat": 3, "mknod": 1, "mknodat": 2,
}

// creating are those of the modes that look at the mode only if their flags say that
// they make a file, and the argument that has the flags.
var creating = map[string]uint32{"open": 1, "openat": 2}

// errno is the action that makes a system call return an error.
func errno(e unix.Errno) seccomp.Action { return seccomp.ActionErrno | seccomp.Action(e) }

// noneOf is true if an argument has none of some values.
func noneOf(argument uint32, values []uint64) (all seccomp.ArgumentConditions) {
	for _, v := range values {
		all = append(all, seccomp.Condition{Argument: argument, Operation: seccomp.NotEqual, Value: v})
	}
	return all
}

// policy is the filter of system calls in the library's terms.
func policy() seccomp.Policy {
	p := seccomp.Policy{DefaultAction: seccomp.ActionAllow}
	for e, names := range refused {
		p.Syscalls = append(p.Syscalls, seccomp.SyscallGroup{Names: names, Action: errno(e)})
	}
	type refusal struct {
		on   seccomp.ArgumentConditions
		with unix.Errno
	}
	rules := map[string]refusal{
		"clone":       {seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: newNamespaces}}, unix.EPERM},
		"socket":      {noneOf(0, families), unix.EAFNOSUPPORT},
		"personality": {noneOf(0, personalities), unix.EPERM},
	}
	for name, argument := range modes {
		on := seccomp.ArgumentConditions{{Argument: argument, Operation: seccomp.BitsSet, Value: unix.S_ISUID | unix.S_ISGID}}
		if flags, ok := creating[name]; ok {
			on = append(on, seccomp.Condition{Argument: flags, Operation: seccomp.BitsSet, Value: unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY})
		}
		rules[name] = refusal{on, unix.EPERM}
	}
	for name, refuse := range rules {
		p.Syscalls = append(p.Syscalls, seccomp.SyscallGroup{
			NamesWithCondtions: []seccomp.NameWithConditions{{Name: name, Conditions: refuse.on}}, Action: errno(refuse.with),
		})
	}
	return p
}

// filterSystemCalls installs the filter for this thread and for what it executes. It
// needs PR_SET_NO_NEW_PRIVS.
func filterSystemCalls() error {
	p := policy()
	filter, err := p.Assemble()
	if err != nil {
		return fmt.Errorf("the filter of system calls: %w", err)
	}
	// The library refuses the calls of the x32 ABI, and lets those of another
	// architecture pass. These are the calls of i386, which any program can make and
	// which have other numbers.
	filter = append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4}, // seccomp_data.arch
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AUDIT_ARCH_X86_64, SkipTrue: 1},
		bpf.RetConstant{Val: uint32(errno(unix.ENOSYS))},
	}, filter...)
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return fmt.Errorf("the filter of system calls: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	return nil
}
