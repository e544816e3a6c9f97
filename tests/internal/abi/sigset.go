// SPDX-License-Identifier: BSD-3-Clause

package abi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// SigsetSize is the kernel's sizeof(sigset_t). Those of C libraries and of
// package unix are larger.
const SigsetSize = 8

// Sigset is the set of the given signals.
func Sigset(signals ...unix.Signal) unix.Sigset_t {
	var set unix.Sigset_t
	words := set.Val[:]
	bits := 8 * int(unsafe.Sizeof(words[0]))
	for _, s := range signals {
		n := int(s) - 1
		words[n/bits] |= 1 << (n % bits)
	}
	return set
}
