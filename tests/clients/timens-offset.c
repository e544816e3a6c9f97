// SPDX-License-Identifier: BSD-3-Clause
/*
 * Restores two clocks on a kernel with the series timens-offset, or in the old
 * way on a kernel without it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/types.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct offset {
	__s32 clockid;
	__u32 flags;
	__aligned_s64 sec;
	__aligned_s64 nsec;
};

struct args {
	__aligned_u64 flags, pidfd, child_tid, parent_tid, exit_signal;
	__aligned_u64 stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	__aligned_u64 timens_offset, timens_offset_count;
};

static pid_t new_child(const struct timespec ts[2])
{
	struct offset offsets[] = {
		{ .clockid = CLOCK_MONOTONIC, .sec = ts[0].tv_sec, .nsec = ts[0].tv_nsec },
		{ .clockid = CLOCK_BOOTTIME, .sec = ts[1].tv_sec, .nsec = ts[1].tv_nsec },
	};
	struct args args = {
		.flags = 0x80, /* CLONE_NEWTIME */
		.exit_signal = SIGCHLD,
		.timens_offset = (uintptr_t)offsets,
		.timens_offset_count = 2,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* Says whether the error is one of a kernel without the members. */
static int too_old(int err, const struct timespec ts[2])
{
	(void)ts; /* E2BIG does not depend on the offsets */
	return err == E2BIG || err == ENOSYS;
}

#include "restore.h"
