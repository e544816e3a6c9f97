// SPDX-License-Identifier: BSD-3-Clause
/* A file as the kernel might have it, with a case for every kind of edit. */
#include <linux/sample.h>

#define LIMIT(x) ((x) + 1)

static struct sample first __read_mostly = {
	.count	= 1,
#ifdef CONFIG_SAMPLE
	.open	= sample_open,
#else
	.open	= sample_none,
#endif
};

#if defined(CONFIG_SAMPLE) && BITS_PER_LONG > 32
static int __init sample_check(struct sample __user *s, unsigned long flags)
{
	if (flags & ~(SAMPLE_A | SAMPLE_B | SAMPLE_C))
		return -EINVAL;
	if (unlikely(!s || s->count >= 10))
		return -EPERM;
	return 0;
}
#else
static int sample_check(struct sample *s, unsigned long flags) { return 0; }
#endif

/* Takes a reference, and puts it where it fails: unwind(), lock(), /* put() */
struct sample *sample_get(struct sample *s, u64 flags)
{
	struct sample *new = container_of(s, struct sample, list);
	int i, err;

	mutex_lock(&s->lock);
	get_sample(s);
	for (i = 0; i < s->count; i++) {
		if (s->parts[i] == new)
			break;
		s->sum += s->parts[i] - flags;
	}
	s->offset = flags + 1;
	err = sample_check(s, flags);
	if (err)
		goto out_unlock;
	if (copy_sample(new, s, sizeof(*s)) && !err)
		goto out_put;
	new->owner = get_sample(s);
	mutex_unlock(&s->lock);
	pr_debug("got %d\n", i);
	return new;
out_put:
	put_sample(s);
out_unlock:
	mutex_unlock(&s->lock);
	return ERR_PTR(err);
}

static bool sample_later(struct task_struct *p, ktime_t now)
{
	switch (p->clock) {
	case CLOCK_MONOTONIC:
		return ktime_after(now, timens_add_monotonic(p->start_time));
	case 2 ... 4:
		return true;
	default:
		break;
	}
	list_for_each_entry(p, &current->children, sibling)
		if (p->time_ns != current->nsproxy->time_ns)
			return false;
	scoped_guard(rcu) {
		seen(p, now);
	}
	return now > MAX_SAMPLES;
}

SYSCALL_DEFINE2(sample, int, fd, struct sample __user *, s)
{
	return do_sample(fd, , s);
}
