// SPDX-License-Identifier: BSD-3-Clause
/* The only program of the container: prints its offsets and its clocks, in seconds. */
#include <stdio.h>
#include <time.h>

int main(void)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	struct timespec ts;
	FILE *f;
	int c, i;

	f = fopen("/proc/self/timens_offsets", "r");
	if (!f) {
		perror("/proc/self/timens_offsets");
		return 1;
	}
	while ((c = getc(f)) != EOF)
		putchar(c);
	for (i = 0; i < 2; i++) {
		if (clock_gettime(clocks[i], &ts)) {
			perror("clock_gettime");
			return 1;
		}
		printf("clock %lld\n", (long long)ts.tv_sec);
	}
	return 0;
}
