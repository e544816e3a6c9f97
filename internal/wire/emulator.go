// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"regexp"
	"strings"
)

// flagsRE matches two lines of what a Go program for 32 bits prints when a single-step trap
// ends it that nobody asked for. The second is the register EFLAGS, with bits set that are zero on each CPU
// (22 to 31: Intel SDM, volume 1, 3.4.3). A program cannot set them, and a kernel can give it no
// register that has them. QEMU 7.2 was seen to do so under TCG, after a CMPXCHG8B: the flags of a
// comparison that it had put off were full of ones, the trap flag among them.
var flagsRE = regexp.MustCompile(`(?s)(\A|\n)SIGTRAP: trace trap\n.*\neflags +0xff[c-f][0-9a-f]{5}\n`)

// EmulatorEnded reports whether a test printed what it prints when the emulator has ended it,
// and not the kernel. Such an end says nothing about the kernel.
func EmulatorEnded(output []byte) bool { return flagsRE.Match(output) }

// MayRepeat reports whether the emulator may have ended a test. It has if EmulatorEnded says so. A 32-bit
// program that could not print anything ends by SIGTRAP.
func MayRepeat(id TestID, end End, output []byte) bool {
	return EmulatorEnded(output) || end.Signal == "SIGTRAP" && strings.HasSuffix(id.Package, I386)
}

// Tries is how often a guest runs a test at most that the emulator may have ended. A kernel that ends the
// program each time is found. One that does so now and then is not.
const Tries = 3

// TriesParam is the kernel parameter with Tries. Only a guest under TCG has it: no other one runs a test
// again.
const TriesParam = "vmtest.tries"
