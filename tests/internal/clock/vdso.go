// SPDX-License-Identifier: BSD-3-Clause

package clock

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
)

const (
	atSysinfoEhdr = 33 // AT_SYSINFO_EHDR: where the kernel has mapped the vDSO
	vdsoMaxSize   = 1 << 20
)

// Functions of the vDSO.
const (
	Getres       = "__vdso_clock_getres"
	Gettimeofday = "__vdso_gettimeofday"
	SecondsSince = "__vdso_time"
	Getrandom    = "__vdso_getrandom"
)

// Gettime is the name of the vDSO's clock_gettime() for a width of time.
func (v Via) Gettime() string { return gettime[v.Width()] }

// VDSOFunc returns the address of one of the vDSO's C functions. The address is
// valid in this process and in children that have not called execve().
func VDSOFunc(name string) (uintptr, error) {
	entries, err := vdsoFuncs()
	if err != nil {
		return 0, err
	}
	if entry, ok := entries[name]; ok {
		return entry, nil
	}
	return 0, fmt.Errorf("the vDSO has no %s", name)
}

var vdsoFuncs = sync.OnceValues(findFuncs)

func findFuncs() (map[string]uintptr, error) {
	base, err := vdsoBase()
	if err != nil {
		return nil, err
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer mem.Close()

	image, err := elf.NewFile(io.NewSectionReader(mem, int64(base), vdsoMaxSize))
	if err != nil {
		return nil, fmt.Errorf("read the vDSO at %#x: %w", base, err)
	}
	symbols, err := image.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read the vDSO's symbols: %w", err)
	}
	entries := make(map[string]uintptr)
	for _, s := range symbols {
		entries[s.Name] = base + uintptr(s.Value)
	}
	return entries, nil
}

func vdsoBase() (uintptr, error) {
	auxv, err := unix.Auxv()
	if err != nil {
		return 0, fmt.Errorf("read the auxiliary vector: %w", err)
	}
	for _, entry := range auxv {
		if entry[0] == atSysinfoEhdr {
			return entry[1], nil
		}
	}
	return 0, errors.New("the auxiliary vector has no AT_SYSINFO_EHDR: booted with vdso=0?")
}

// callVDSO calls the C function at entry with (id, ts).
func callVDSO(entry uintptr, id int32, ts *abi.Timespec) int32
