/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_VMTEST_MUTANT_H
#define _LINUX_VMTEST_MUTANT_H

#ifndef __ASSEMBLY__
/* The mutant that is awake, or 0. It never changes after the command line was read. */
extern unsigned int vmtest_mutant;
#endif

#endif
