/* SPDX-License-Identifier: BSD-3-Clause */

/* A program that patches change. It prints what its functions do for many values. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EINVAL 22
#define LEAST 3
#define __free(name) __attribute__((cleanup(free_##name)))

typedef unsigned long long u64;
typedef unsigned int u32;

struct box {
	long long monotonic;
	long long boottime;
	int locked, count;
};

static int table[] = { 1, 2, 3 };
static int freed;

static void free_number(int *n)
{
	freed += *n;
}

static void hook(struct box *b)
{
}

static int check(struct box *b, int n)
{
	if (n == 21)
		return -EINVAL;
	if (n > 30)
		return -1;
	return 0;
}

static int open_box(struct box *b, int n)
{
	int err = -EINVAL;
	long long kept = b->monotonic;

	if (n < 0)
		return err;
	b->locked++;
	if (n > 40 && n != 50)
		goto out_unlock;
	b->count++;
	err = check(b, n);
	if (err)
		goto out_put;
	hook(b);
	b->monotonic += n;
	return 0;

out_put:
	b->count--;
out_unlock:
	b->locked--;
	if (kept != b->monotonic)
		return -3;
	return err;
}

static long long convert(struct box *b, int clock, int n)
{
	long long offset, time = n * 10;

	switch (clock) {
	case 1:
		offset = b->monotonic;
		break;
	case 7:
	case 9:
		offset = b->boottime;
		break;
	default:
		return time;
	}
	if (time < offset) {
		/* It has passed. */
		time = 0;
	} else {
		time -= offset;
		if (time < 0)
			time = 5;
	}
	return time;
}

static long long divide(struct box *b, int n)
{
	long long small = n - 20, sum = 0;
	int i;

	if (small == 0)
		return 0;
	b->boottime = b->monotonic / small;
	for (i = 0; i < 4; i++) {
		if (i == n)
			continue;
		sum += i * small;
	}
	while (sum > LEAST && sum % 2 == 0)
		sum /= 2;
	return sum + b->boottime % 1000;
}

static int hold(struct box *b, int n)
{
	int held __free(number) = n;

	if (n & 1)
		return held;
	held += 3;
	return b->count;
}

static int count_calls(struct box *b, int n)
{
	static int calls;
	int kept = n;

	if (b->count > 100)
		goto out;
	calls++;
	kept = calls & 3;
	table[n & 1] = kept;
out:
	return calls + table[0] - table[2];
}

static void ended(int number)
{
	(void)!write(1, "ended by a signal\n", 18);
	_exit(number);
}

int main(int argc, char **argv)
{
#ifdef SWITCHED
	vmtest_mutant = argc > 1 ? atoi(argv[1]) : 0;
#endif
	struct box b = { 10, 20 };
	int n;

	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGALRM, ended);
	signal(SIGSEGV, ended);
	signal(SIGFPE, ended);
	alarm(2);
	for (n = -3; n < 60; n++) {
		printf("%d", open_box(&b, n));
		printf(" %lld", divide(&b, n));
		printf(" %lld", convert(&b, n % 10, n));
		printf(" %d", hold(&b, n));
		printf(" %d", count_calls(&b, n));
		printf(" %lld %lld %d %d %d\n", b.monotonic, b.boottime, b.locked, b.count, freed);
	}
	return 0;
}
