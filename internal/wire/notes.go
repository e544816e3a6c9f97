// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/binary"
)

// GNUBuildID returns the GNU build ID in a list of ELF notes, or nil if there is none. A
// vmlinux and /sys/kernel/notes of a running kernel have such a list. The numbers in it
// are little-endian, and each part is padded to four bytes.
func GNUBuildID(notes []byte) []byte {
	const gnuBuildID = 3 // NT_GNU_BUILD_ID of elf.h
	pad := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
	for len(notes) >= 12 {
		nameLen := binary.LittleEndian.Uint32(notes)
		descLen := binary.LittleEndian.Uint32(notes[4:])
		kind := binary.LittleEndian.Uint32(notes[8:])
		notes = notes[12:]
		if pad(nameLen)+pad(descLen) > uint64(len(notes)) {
			return nil
		}
		name, desc := notes[:nameLen], notes[pad(nameLen):][:descLen]
		if kind == gnuBuildID && bytes.Equal(name, []byte("GNU\x00")) {
			return desc
		}
		notes = notes[pad(nameLen)+pad(descLen):]
	}
	return nil
}
