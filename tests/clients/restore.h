/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the clients that does not depend on the design:
 *
 *   PROGRAM MONOTONIC BOOTTIME COMMAND [ARG...]
 *	run COMMAND in a new time namespace in which the clocks begin at these
 *	seconds
 *   PROGRAM
 *	print the clocks, in seconds
 *
 * It needs CAP_SYS_ADMIN and CAP_SYS_TIME. Whoever includes this file defines
 * new_child() and too_old() before.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

_Static_assert(sizeof(time_t) == 8, "use -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64");

static const clockid_t clocks[2] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
static const char *const names[2] = { "monotonic", "boottime" };

/*
 * No kernel sets a clock to more, which is KTIME_SEC_MAX / 2. So the offset of
 * a clock, in nanoseconds, fits into 64 bits.
 */
#define MOST_SECONDS 4611686018LL

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/*
 * Makes a child in a new time namespace as kernels do whose clone3() takes no
 * offsets. All later children of the caller are in that namespace, too.
 */
static pid_t new_child_by_unshare(const struct timespec offset[2])
{
	char text[128];
	int fd, n;

	if (unshare(CLONE_NEWTIME))
		die("unshare");
	n = snprintf(text, sizeof(text), "%s %lld %ld\n%s %lld %ld\n",
		     names[0], (long long)offset[0].tv_sec, offset[0].tv_nsec,
		     names[1], (long long)offset[1].tv_sec, offset[1].tv_nsec);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != n)
		die("/proc/self/timens_offsets");
	close(fd);
	return fork();
}

static long long parse_seconds(const char *text)
{
	long long seconds;
	char *end;

	errno = 0;
	seconds = strtoll(text, &end, 10);
	if (end == text || *end || errno || seconds < 0 || seconds > MOST_SECONDS) {
		fprintf(stderr, "\"%s\" is no number of seconds from 0 to %lld\n", text, MOST_SECONDS);
		exit(2);
	}
	return seconds;
}

/* The offset of a clock that is to begin at so many seconds. */
static struct timespec offset_for(clockid_t clock, long long seconds)
{
	struct timespec now, offset;

	/* The clocks of the initial time namespace, so do not nest this. */
	if (clock_gettime(clock, &now))
		die("clock_gettime");
	offset.tv_sec = seconds - now.tv_sec - 1;
	offset.tv_nsec = 1000000000 - now.tv_nsec;
	if (offset.tv_nsec == 1000000000) {
		offset.tv_sec++;
		offset.tv_nsec = 0;
	}
	return offset;
}

int main(int argc, char *argv[])
{
	struct timespec ts[2];
	long long seconds[2];
	pid_t child;
	int i, status;

	if (argc == 1) {
		for (i = 0; i < 2; i++) {
			if (clock_gettime(clocks[i], &ts[i]))
				die("clock_gettime");
			printf("%s %lld\n", names[i], (long long)ts[i].tv_sec);
		}
		return 0;
	}
	if (argc < 4) {
		fprintf(stderr, "usage: %s MONOTONIC BOOTTIME COMMAND [ARG...]\n", argv[0]);
		return 2;
	}
	for (i = 0; i < 2; i++)
		seconds[i] = parse_seconds(argv[1 + i]);
	for (i = 0; i < 2; i++)
		ts[i] = offset_for(clocks[i], seconds[i]);
	child = new_child(ts);
	if (child < 0 && too_old(errno, ts))
		child = new_child_by_unshare(ts);
	if (child < 0)
		die("new child");
	if (child == 0) {
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
