// SPDX-License-Identifier: BSD-3-Clause
/*
 * The first process of the guest. It makes time namespaces, lets a task enter
 * each, writes other offsets then, and prints what happens:
 *
 *	way WAY errno ERRNO before SECONDS after SECONDS
 *
 * ERRNO is that of the write, 0 if it succeeds. SECONDS are CLOCK_MONOTONIC
 * of the task, before and after the write. Only the host judges.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* The task in the namespace reads orders from one pipe and answers in the other. */
enum { ORDERS = 10, ANSWERS = 11 };

static void need(int ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	abort();
}

static long long seconds(void)
{
	struct timespec now;

	need(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
	return now.tv_sec;
}

static int write_offset(const char *text)
{
	int fd = open("/proc/self/timens_offsets", O_WRONLY);
	int err;

	need(fd >= 0, "open timens_offsets");
	err = write(fd, text, strlen(text)) < 0 ? errno : 0;
	close(fd);
	return err;
}

/* Answers each order with the clock, until there are no more. */
static void answer(void)
{
	long long now;
	char order;

	while (read(ORDERS, &order, 1) == 1) {
		now = seconds();
		need(write(ANSWERS, &now, sizeof(now)) == sizeof(now), "answer");
	}
	_exit(0);
}

/* Reads the clock of the task in the namespace, or of this one if there is none. */
static long long ask(int orders, int answers, pid_t pid)
{
	long long now;

	if (!pid)
		return seconds();
	need(write(orders, "", 1) == 1, "order");
	need(read(answers, &now, sizeof(now)) == sizeof(now), "read an answer");
	return now;
}

/* Runs in a process of its own, and goes one way. */
static void go(const char *way)
{
	int orders[2], answers[2];
	long long before, after;
	pid_t pid = 0;
	int fd, err;

	need(unshare(CLONE_NEWTIME) == 0, "unshare");
	err = write_offset("monotonic 1000000 0\n");
	need((errno = err) == 0, "write the first offset");
	need(pipe(orders) == 0 && pipe(answers) == 0, "pipe");
	if (!strcmp(way, "fork")) {
		pid = fork();
	} else if (!strcmp(way, "exec")) {
		pid = vfork(); /* it shares the memory, so it enters by execve() */
	} else if (!strcmp(way, "setns")) {
		fd = open("/proc/self/ns/time_for_children", O_RDONLY);
		need(fd >= 0 && setns(fd, CLONE_NEWTIME) == 0, "setns");
	}
	need(pid >= 0, way);
	if (!pid && (!strcmp(way, "fork") || !strcmp(way, "exec"))) {
		dup2(orders[0], ORDERS);
		dup2(answers[1], ANSWERS);
		close(orders[1]); /* else its orders would never end */
		if (!strcmp(way, "exec"))
			execl("/init", "answer", NULL);
		else
			answer();
		_exit(127);
	}
	before = ask(orders[1], answers[0], pid);
	err = write_offset("monotonic 5000 0\n");
	after = ask(orders[1], answers[0], pid);
	printf("way %s errno %d before %lld after %lld\n", way, err, before, after);
	_exit(0);
}

int main(int argc, char **argv)
{
	static const char * const ways[] = { "nobody", "fork", "exec", "setns" };
	int status;
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (!strcmp(argv[0], "answer"))
		answer();
	need(mkdir("/proc", 0555) == 0 && mount("proc", "/proc", "proc", 0, NULL) == 0, "mount /proc");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid)
			go(ways[i]);
		need(waitpid(pid, &status, 0) == pid && status == 0, ways[i]);
	}
	printf("done\n");
	reboot(RB_POWER_OFF);
	return 1;
}
