// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
)

// Meaning is what the member Offsets of struct clone_args asks for, by the
// rules of one design. It is a second implementation of these rules, written
// from the design's description.
type Meaning struct {
	// Given reports whether the call has offsets, valid or not.
	Given bool
	// Set has the offsets by clock. A clock that is missing inherits its
	// offset.
	Set map[clock.ID]Offset
	// Early and Late are the errors found before and after the kernel
	// follows the pointer.
	Early, Late unix.Errno
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

// Meaning returns what the two words of Offsets mean in a design. If memory is
// nil, the first word does not point to memory.
func (n Name) Meaning(words [2]uint64, memory []byte) Meaning {
	switch n {
	case InlineNS:
		m := Meaning{Given: words != [2]uint64{}, Set: make(map[clock.ID]Offset)}
		for i, id := range []clock.ID{clock.Monotonic, clock.Boottime} {
			if words[i] != 0 {
				m.Set[id] = floor(int64(words[i]))
			}
		}
		return m
	case Namespaces:
		return structMeaning(words, memory)
	}
	return arrayMeaning(words, memory)
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
	m := Meaning{Given: words[0] != 0, Set: make(map[clock.ID]Offset)}
	count := words[1]
	if count > 2 || m.Given != (count != 0) {
		m.Early = unix.EINVAL
		return m
	}
	if uint64(len(memory)) < 24*count {
		m.Late = unix.EFAULT
		return m
	}
	for ; count > 0; count, memory = count-1, memory[24:] {
		id := clock.ID(binary.NativeEndian.Uint32(memory))
		pad := binary.NativeEndian.Uint32(memory[4:])
		o := Offset{int64(binary.NativeEndian.Uint64(memory[8:])), int64(binary.NativeEndian.Uint64(memory[16:]))}
		_, twice := m.Set[id]
		if id != clock.Monotonic && id != clock.Boottime || twice || pad != 0 || o.Nsec < 0 || o.Nsec >= int64(time.Second) {
			m.Late = unix.EINVAL
		}
		m.Set[id] = o
	}
	return m
}

func structMeaning(words [2]uint64, memory []byte) Meaning {
	m := Meaning{Given: words[0] != 0, Set: make(map[clock.ID]Offset)}
	size := words[1]
	switch {
	case !m.Given && size != 0:
		m.Early = unix.EINVAL
	case !m.Given:
	case size > 4096:
		m.Late = unix.E2BIG
	case size < 16:
		m.Late = unix.EINVAL
	case uint64(len(memory)) < size:
		m.Late = unix.EFAULT
	default:
		for _, b := range memory[16:size] {
			if b != 0 {
				m.Late = unix.E2BIG
			}
		}
		m.Set[clock.Monotonic] = floor(int64(binary.NativeEndian.Uint64(memory)))
		m.Set[clock.Boottime] = floor(int64(binary.NativeEndian.Uint64(memory[8:])))
	}
	return m
}
