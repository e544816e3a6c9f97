// SPDX-License-Identifier: BSD-3-Clause

package clone

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memorySize has room for hundreds of children. stacksSize is the part for
// their stacks. Unused pages cost nothing.
const (
	memorySize = 16 << 20
	stacksSize = 4 << 20
)

// memory is shared by all processes of a program and by the test, except for
// the stacks. A child with a copy of its parent's memory also has a copy of the
// stacks, so it can continue on its parent's stack.
type memory struct {
	bytes  []byte
	used   int
	stacks int // bytes used of the stacks, which follow the rest
}

func newMemory() (*memory, error) {
	bytes, err := unix.Mmap(-1, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("map a program: %w", err)
	}
	_, err = unix.MmapPtr(-1, 0, unsafe.Pointer(&bytes[memorySize-stacksSize]), stacksSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		return nil, fmt.Errorf("map a program's stacks: %w", err)
	}
	return &memory{bytes: bytes}, nil
}

func (m *memory) stack() []byte {
	start := memorySize - stacksSize + m.stacks
	m.stacks += stackSize
	return m.bytes[start : start+stackSize : start+stackSize]
}

// alloc returns zeroed memory, aligned for any kernel type.
func (m *memory) alloc(size int) []byte {
	const align = 16
	start := (m.used + align - 1) &^ (align - 1)
	if start+size > memorySize-stacksSize {
		panic("clone: program's data too large")
	}
	m.used = start + size
	return m.bytes[start:m.used:m.used]
}

func (m *memory) copy(b []byte) []byte {
	buf := m.alloc(len(b))
	copy(buf, b)
	return buf
}

func (m *memory) steps(n int) []step {
	b := m.alloc(n * int(unsafe.Sizeof(step{})))
	return unsafe.Slice((*step)(unsafe.Pointer(&b[0])), n)
}

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// span is a range of addresses.
type span struct{ start, end uintptr }

func spanOf(b []byte) span { return span{addr(b), addr(b) + uintptr(len(b))} }

// layout has the mappings that a child needs: the text of this program, and the
// vDSO with its data. end is where this process's memory ends: at its stack.
type layout struct {
	code []span
	end  uintptr
}

var ownLayout = sync.OnceValues(func() (layout, error) {
	exe, err := os.Executable()
	if err != nil {
		return layout{}, err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return layout{}, err
	}
	var own layout
	for line := range strings.Lines(string(maps)) {
		var s span
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &s.start, &s.end, &mode); err != nil {
			return layout{}, fmt.Errorf("/proc/self/maps: %q: %w", line, err)
		}
		name := line[strings.LastIndexByte(line, ' ')+1:]
		switch {
		case strings.HasPrefix(name, "[vsyscall]"):
			continue // not part of this process's memory
		case strings.HasPrefix(name, "[v"), strings.HasSuffix(line, exe+"\n") && strings.Contains(mode, "x"):
			own.code = append(own.code, s)
		}
		own.end = max(own.end, s.end)
	}
	return own, nil
})

// gaps returns what lies between spans, up to end. It sorts spans.
func gaps(spans []span, end uintptr) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var out []span
	last := uintptr(0)
	for _, s := range append(spans, span{end, end}) {
		if s.start > last {
			out = append(out, span{last, s.start})
		}
		last = s.end
	}
	return out
}
