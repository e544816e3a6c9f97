package clock

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	atSysinfoEhdr = 33 // AT_SYSINFO_EHDR: where the kernel has mapped the vDSO
	vdsoMaxSize   = 1 << 20
	clockGettime  = "__vdso_clock_gettime"
)

// VDSOEntry returns the address of the vDSO's clock_gettime(), a C function.
// It holds for this process and for children that have not called execve().
var VDSOEntry = sync.OnceValues(findEntry)

func findEntry() (uintptr, error) {
	base, err := vdsoBase()
	if err != nil {
		return 0, err
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return 0, err
	}
	defer mem.Close()

	image, err := elf.NewFile(io.NewSectionReader(mem, int64(base), vdsoMaxSize))
	if err != nil {
		return 0, fmt.Errorf("read the vDSO at %#x: %w", base, err)
	}
	symbols, err := image.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("read the vDSO's symbols: %w", err)
	}
	for _, s := range symbols {
		if s.Name == clockGettime {
			return base + uintptr(s.Value), nil
		}
	}
	return 0, fmt.Errorf("the vDSO has no %s", clockGettime)
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
func callVDSO(entry uintptr, id int32, ts *unix.Timespec) int32
