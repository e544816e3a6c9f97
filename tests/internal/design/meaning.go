// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// Meaning is what the flags and the member Offsets of struct clone_args ask for, by the
// rules of one design. It is a second implementation of these rules, written
// from the design's description.
type Meaning struct {
	// Set has the offsets that are given, by clock. A clock that is missing inherits
	// its offset.
	Set map[clock.ID]Offset
	// Error is what the kernel finds wrong whatever the clocks show and whoever calls.
	Error unix.Errno
}

// Offset is an offset that need not fit into a time.Duration.
type Offset struct{ Sec, Nsec int64 }

// secMax is the kernel's KTIME_SEC_MAX.
const secMax = (1<<63 - 1) / int64(time.Second)

// InRange reports whether a clock that shows now can have the offset.
func (o Offset) InRange(now time.Duration) bool {
	if o.Sec < -secMax || o.Sec > secMax {
		return false
	}
	sum := o.Sec + int64(now/time.Second)
	if o.Nsec+int64(now%time.Second) >= int64(time.Second) {
		sum++
	}
	return sum >= 0 && sum <= secMax/2
}

// Duration returns the offset, which must fit.
func (o Offset) Duration() time.Duration {
	return time.Duration(o.Sec)*time.Second + time.Duration(o.Nsec)
}

// Meaning returns what the flags and the two words of Offsets mean in a design. If memory
// is nil, the first word does not point to memory.
func (n Name) Meaning(flags uint64, words [2]uint64, memory []byte) Meaning {
	switch n {
	case InlineNS:
		return inlineMeaning(flags, words)
	case Namespaces:
		return structMeaning(words, memory)
	}
	return arrayMeaning(words, memory)
}

func inlineMeaning(flags uint64, words [2]uint64) Meaning {
	m := Meaning{Set: make(map[clock.ID]Offset)}
	for i, flag := range []uint64{bits.TimensMonotonic, bits.TimensBoottime} {
		m.number(timens.Clocks[i], flags&flag != 0, words[i])
	}
	return m
}

// number adds an offset in nanoseconds, which must be 0 if it is not given.
func (m *Meaning) number(id clock.ID, given bool, word uint64) {
	switch {
	case given:
		m.Set[id] = floor(int64(word))
	case word != 0:
		m.Error = unix.EINVAL
	}
}

// floor splits nanoseconds into seconds and a remainder that is never negative.
func floor(ns int64) Offset {
	const second = int64(time.Second)
	o := Offset{ns / second, ns % second}
	if o.Nsec < 0 {
		o.Sec, o.Nsec = o.Sec-1, o.Nsec+second
	}
	return o
}

func arrayMeaning(words [2]uint64, memory []byte) Meaning {
	m := Meaning{Set: make(map[clock.ID]Offset)}
	count := words[1]
	switch {
	case words == [2]uint64{}:
	case words[0] == 0 || count == 0:
		m.Error = unix.EINVAL
	case count > 2:
		m.Error = unix.E2BIG
	case uint64(len(memory)) < 24*count:
		m.Error = unix.EFAULT
	default:
		for ; count > 0 && m.Error == 0; count, memory = count-1, memory[24:] {
			m.Error = m.element(memory)
		}
	}
	return m
}

// element adds an element of an array, and returns its error.
func (m Meaning) element(memory []byte) unix.Errno {
	id := clock.ID(binary.NativeEndian.Uint32(memory))
	flags := binary.NativeEndian.Uint32(memory[4:])
	o := Offset{int64(binary.NativeEndian.Uint64(memory[8:])), int64(binary.NativeEndian.Uint64(memory[16:]))}
	_, twice := m.Set[id]
	switch {
	case id != clock.Monotonic && id != clock.Boottime, flags != 0:
		return unix.E2BIG
	case twice, o.Nsec < 0, o.Nsec >= int64(time.Second):
		return unix.EINVAL
	}
	m.Set[id] = o
	return 0
}

func structMeaning(words [2]uint64, memory []byte) Meaning {
	m := Meaning{Set: make(map[clock.ID]Offset)}
	size := words[1]
	switch {
	case words == [2]uint64{}:
	case words[0] == 0:
		m.Error = unix.EINVAL
	case size > 4096:
		m.Error = unix.E2BIG
	case size < 64:
		m.Error = unix.EINVAL
	case uint64(len(memory)) < size:
		m.Error = unix.EFAULT
	case binary.NativeEndian.Uint64(memory)&^(MonotonicBit|BoottimeBit) != 0, anyByte(memory[24:size]):
		m.Error = unix.E2BIG
	default:
		mask := binary.NativeEndian.Uint64(memory)
		for i, bit := range []uint64{MonotonicBit, BoottimeBit} {
			m.number(timens.Clocks[i], mask&bit != 0, binary.NativeEndian.Uint64(memory[8+8*i:]))
		}
	}
	return m
}

// anyByte reports whether there is another byte than 0.
func anyByte(b []byte) bool {
	return slices.ContainsFunc(b, func(b byte) bool { return b != 0 })
}
