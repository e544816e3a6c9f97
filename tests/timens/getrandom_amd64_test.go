// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// getrandom() of the vDSO works in a time namespace without the system call. In a
// namespace the kernel's data page and the namespace's page exchange places, and
// the vDSO must find the random number generator's state in the right one. If it
// does not, it falls back to the system call and leaves the caller's state
// unchanged.
func TestGetrandomVDSO(t *testing.T) {
	timens.Need(t)
	// struct vgetrandom_opaque_params
	type parameters struct {
		Size, Prot, Flags uint32
		_                 [13]uint32
	}
	const askParameters = ^uintptr(0)
	for name, launch := range map[string]clone.Launcher{"outside": timens.Fork, "inside": timens.Unshared(timens.Ahead)} {
		t.Run(name, func(t *testing.T) {
			state, err := unix.Mmap(-1, 0, timens.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Munmap(state) // nothing depends on it
			p := timens.NewProgram(t)
			wanted := clone.Alloc[parameters](p)
			ask := p.Call(clock.VDSO, clock.Getrandom, 0, 0, 0, 0, clone.Addr(wanted), askParameters)
			timens.Run(t, timens.Fork, p)
			if err := ask.Err(); err != nil {
				t.Fatalf("ask the vDSO how large its state is: %v", err)
			}

			p = timens.NewProgram(t)
			random := clone.Alloc[[64]byte](p)
			fill := p.Call(clock.VDSO, clock.Getrandom, 0, clone.Addr(random), uintptr(len(random)), 0,
				clone.Addr(&state[0]), uintptr(wanted.Size))
			timens.Run(t, launch, p)
			if n, err := fill.Value(); n != len(random) || err != nil {
				t.Errorf("getrandom by the vDSO: %d, %v, want %d bytes", n, err, len(random))
			}
			if bytes.Count(random[:], []byte{0}) == len(random) {
				t.Error("getrandom by the vDSO returned zeros")
			}
			if bytes.Count(state, []byte{0}) == len(state) {
				t.Error("getrandom by the vDSO did not use its state: it fell back to the system call")
			}
		})
	}
}
