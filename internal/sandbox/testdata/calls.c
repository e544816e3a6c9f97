// SPDX-License-Identifier: BSD-3-Clause

// This program makes system calls that work for an unprivileged process outside of the
// sandbox, and prints the error of each.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(name, call) do { errno = 0; long r = (call); printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "0"); fflush(stdout); } while (0)

// call32 makes a system call without arguments by the table of i386.
static long call32(long number)
{
	long r;

	__asm__ volatile ("int $0x80" : "=a"(r) : "a"(number) : "memory", "r8", "r9", "r10", "r11");
	if (r < 0) {
		errno = -r;
		return -1;
	}
	return r;
}

// child makes a process by clone(), and waits for its end.
static long child(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

static long by_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

static void *nothing(void *arg) { return arg; }

static long thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, nothing, NULL);
	return errno ? -1 : pthread_join(t, NULL);
}

int main(void)
{
	char ring[120] = {0};
	int pair[2];

	TRY("clone", child(0));
	TRY("thread", thread());
	TRY("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	TRY("AF_INET", socket(AF_INET, SOCK_STREAM, 0));
	TRY("personality", personality(0xffffffff));

	TRY("clone3", by_clone3());
	TRY("CLONE_NEWUSER", child(CLONE_NEWUSER));
	TRY("unshare", syscall(SYS_unshare, 0));
	TRY("AF_ALG", socket(AF_ALG, SOCK_SEQPACKET, 0));
	TRY("AF_VSOCK", socket(AF_VSOCK, SOCK_STREAM, 0));
	TRY("ADDR_NO_RANDOMIZE", personality(ADDR_NO_RANDOMIZE));
	TRY("keyctl", syscall(SYS_keyctl, 0, -3, 1)); // KEYCTL_GET_KEYRING_ID of the session
	TRY("io_uring_setup", syscall(SYS_io_uring_setup, 1, ring));
	TRY("memfd_create", syscall(SYS_memfd_create, "x", 0));
	TRY("shmget", syscall(SYS_shmget, IPC_PRIVATE, 4096, 0600));
	TRY("process_vm_readv", syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
	TRY("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	TRY("getpid of i386", call32(20));
	TRY("getpid of x32", syscall(0x40000000 | SYS_getpid));
	return 0;
}
