// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/printk.h>
#include <linux/vmtest_mutant.h>

unsigned int vmtest_mutant __ro_after_init;
EXPORT_SYMBOL_GPL(vmtest_mutant);

static int __init vmtest_mutant_wake(char *number)
{
	int err = number ? kstrtouint(number, 10, &vmtest_mutant) : -EINVAL;

	if (!err && vmtest_mutant)
		pr_notice("vmtest: mutant %u is awake\n", vmtest_mutant);
	return err;
}
early_param("vmtest.mutant", vmtest_mutant_wake);
