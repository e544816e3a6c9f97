/* SPDX-License-Identifier: BSD-3-Clause */

/* The part of asleep.c that gets no mutants. */

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
	struct box tail = { 4, 5, { 1, 0, 9, 2 }, 0, NULL };
	struct box b = { 10, 20, { 3, 0, 7, 1 }, 0, &tail };

	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGALRM, ended);
	signal(SIGSEGV, ended);
	signal(SIGFPE, ended);
	alarm(2);
	for (int n = -2; n < 64; n += 3) {
		b.items[0] = n & 1 ? 1 : 3;
		printf("%d %llu %d", first(&b, n), second(&b, 100 + n, n & 7), third(n & 2 ? &b : &tail, n * 4));
		printf(" %lld %lld %d %d\n", b.monotonic, b.boottime, b.locked, put_count);
	}
	return 0;
}
