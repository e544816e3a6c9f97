// SPDX-License-Identifier: BSD-3-Clause
/*
 * Restores two clocks on a kernel with the series inline-ns, or in the old way
 * on a kernel without it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/types.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLONE_TIMENS_MONOTONIC (1ULL << 38)
#define CLONE_TIMENS_BOOTTIME (1ULL << 39)

struct args {
	__aligned_u64 flags, pidfd, child_tid, parent_tid, exit_signal;
	__aligned_u64 stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	__aligned_s64 monotonic_offset_ns, boottime_offset_ns;
};

/* Does not overflow: restore.h limits the seconds. */
static long long nanoseconds(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000LL + ts->tv_nsec;
}

static pid_t new_child(const struct timespec ts[2])
{
	struct args args = {
		.flags = 0x80 /* CLONE_NEWTIME */ | CLONE_TIMENS_MONOTONIC | CLONE_TIMENS_BOOTTIME,
		.exit_signal = SIGCHLD,
		.monotonic_offset_ns = nanoseconds(&ts[0]),
		.boottime_offset_ns = nanoseconds(&ts[1]),
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/*
 * Says whether the error is one of a kernel without the members: E2BIG to an
 * offset other than 0, and EINVAL, for the flags, if both offsets are 0.
 */
static int too_old(int err, const struct timespec ts[2])
{
	int zero = !ts[0].tv_sec && !ts[0].tv_nsec && !ts[1].tv_sec && !ts[1].tv_nsec;

	return err == E2BIG || err == ENOSYS || (err == EINVAL && zero);
}

#include "restore.h"
