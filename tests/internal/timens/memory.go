// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"

	"golang.org/x/sys/unix"
)

// PageSize is the page size of x86.
const PageSize = 4096

// TwoPages returns two pages with the given protections. The first ends with
// fill, which is written before the protections are set.
func TwoPages(t testing.TB, first, second int, fill ...byte) []byte {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, 2*PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	copy(mem[PageSize-len(fill):], fill)
	for i, prot := range []int{first, second} {
		if err := unix.Mprotect(mem[i*PageSize:][:PageSize], prot); err != nil {
			t.Fatal(err)
		}
	}
	return mem
}
