/* SPDX-License-Identifier: BSD-3-Clause */

/* A program whose functions get mutants. It prints what they do for many values. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EINVAL 22
#define EPERM 1
#define ENOMEM 12
#define FLAG_A 1
#define FLAG_B 2
#define FLAG_C 4
#define likely(x) __builtin_expect(!!(x), 1)
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, val) do { *(volatile typeof(x) *)&(x) = (val); } while (0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define for_each_item(i, b) for ((i) = 0; (i) < (int)ARRAY_SIZE((b)->items) - 1; (i)++)
#define max(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a > _b ? _a : _b; })

typedef unsigned long long u64;
typedef unsigned int u32;

struct box {
	long long monotonic;
	long long boottime;
	int items[4];
	int locked;
	struct box *next;
};

static int put_count;

static void box_lock(struct box *b)
{
	b->locked++;
}

static void box_unlock(struct box *b)
{
	b->locked--;
}

static void box_put(struct box *b)
{
	if (!b)
		return;
	put_count += b->locked + 1;
}

static struct box *box_get(struct box *b)
{
	put_count -= 3;
	return b;
}

static int first(struct box *b, int n)
{
	int i, sum = 0;
	char name[8] = "box";
	struct box copy = {
		.monotonic = n + 1,
		.boottime = n * 2,
		.items = { n, 2, 3, 4 },
	};

	if (n < 0)
		return -EINVAL;
	else if (n > 50 && n != 60)
		goto out;
	box_lock(b);
	for_each_item(i, b) {
		if (i == n)
			continue;
		sum += b->items[i];
	}
	WRITE_ONCE(b->monotonic, b->monotonic + n);
	b->boottime -= n;
	box_unlock(b);
	if (READ_ONCE(b->monotonic) > 100)
		sum = -ENOMEM;
	copy.items[n & 1] = sum;
	*(&copy.boottime) = copy.boottime + 1;
	for (i = 0; i < 3; i++)
		sum += copy.items[i] << i;
out:
	if (n % 2)
		if (likely(n % 3))
			sum++;
		else
			sum--;
	else
		sum -= sizeof(name);
	return sum + max(n, (int)copy.boottime) + name[0] - (int)copy.monotonic;
}

static u64 second(struct box *b, u64 value, u32 flags)
{
	u64 result = value;
	const struct box *at;

	switch (flags & (FLAG_A | FLAG_B)) {
	case FLAG_A:
		result = value + b->monotonic;
		break;
	case FLAG_B:
		result -= b->boottime;
		/* fall through */
	case FLAG_A | FLAG_B:
		result ^= 5;
		break;
	default:
		if (!flags)
			return 7;
	}
	for (at = b; at; at = at->next) {
		if (at->items[0] == 3 || at->items[1] >= 9)
			break;
		result += at->items[flags & 1] ? at->items[0] : 1;
	}
	do {
		result -= result % 7;
	} while (result > 1000 && result % 2 == 0);
	return result;
}

static _Bool third(struct box *b, unsigned char small)
{
	struct box *other = box_get(b);
	static int calls;
	_Bool same = other == b;

	calls++;
	if (!other->next || small > 200) {
		box_put(other);
		return 0;
	}
	box_put(b);
	return same && (u32)calls * small != 4;
}

#include "main.h"
