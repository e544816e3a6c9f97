// SPDX-License-Identifier: BSD-3-Clause

package verdict

import "regexp"

// flagsRE matches two lines of what a Go program for 32 bits prints when a single-step trap
// ends it that nobody asked for. The second is the register EFLAGS, with bits set that are zero on each CPU
// (22 to 31: Intel SDM, volume 1, 3.4.3). A program cannot set them, and a kernel can give it no
// register that has them. QEMU 7.2 was seen to do so under TCG, after a CMPXCHG8B: the flags of a
// comparison that it had put off were full of ones, the trap flag among them.
var flagsRE = regexp.MustCompile(`(?s)(\A|\n)SIGTRAP: trace trap\n.*\neflags +0xff[c-f][0-9a-f]{5}\n`)

// emulatorEnded is the note of a test that the emulator has ended, and not the kernel.
const emulatorEnded = "QEMU's emulation ended it, and not the kernel: it had flags that no CPU has; run it again"
