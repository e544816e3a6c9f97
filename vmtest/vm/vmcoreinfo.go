// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"bytes"
	"debug/elf"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The kernels of this project have no CONFIG_VMCORE_INFO and no driver for QEMU's device vmcoreinfo,
// so that QEMU's files do not say which kernel they are of. crash takes that from vmlinux. drgn
// refuses such a file. describe adds what they want.

// describe makes the vmcore of a file that QEMU has written, and adds the kernel's VMCOREINFO.
func (v Vmcore) describe(written, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if v.Format == ELF {
		return describeELF(f, v.Info)
	}
	in, err := os.Open(written)
	if err != nil {
		return err
	}
	defer in.Close() // opened for reading only
	if err := unflatten(in, f); err != nil {
		return err
	}
	return describeKdump(f, v.UTS, v.Info)
}

// note returns an ELF note with VMCOREINFO.
func note(info []byte) []byte {
	const name = "VMCOREINFO\x00"
	head := make([]byte, 12)
	encoding.LittleEndian.PutUint32(head, uint32(len(name)))
	encoding.LittleEndian.PutUint32(head[4:], uint32(len(info)))
	padded := func(s []byte) []byte { return append(s, make([]byte, -len(s)&3)...) }
	return bytes.Join([][]byte{head, padded([]byte(name)), padded(bytes.Clone(info))}, nil)
}

// describeELF appends the notes of the file, with one more, and lets the segment of notes point there.
func describeELF(f *os.File, info []byte) error {
	var head elf.Header64
	if err := encoding.Read(io.NewSectionReader(f, 0, 64), encoding.LittleEndian, &head); err != nil {
		return err
	}
	if !bytes.HasPrefix(head.Ident[:], []byte(elf.ELFMAG)) || head.Ident[elf.EI_CLASS] != byte(elf.ELFCLASS64) {
		return errors.New("it is no 64-bit ELF file")
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// Phnum is 0xffff if there are more segments. QEMU's notes are the first.
	var p elf.Prog64
	if err := encoding.Read(io.NewSectionReader(f, int64(head.Phoff), 56), encoding.LittleEndian, &p); err != nil {
		return err
	}
	if elf.ProgType(p.Type) != elf.PT_NOTE {
		return errors.New("its first segment has no notes")
	}
	if p.Off+p.Filesz < p.Off || p.Off+p.Filesz > uint64(end) {
		return fmt.Errorf("its notes are at %d, with %d bytes", p.Off, p.Filesz)
	}
	notes := make([]byte, p.Filesz)
	if _, err := f.ReadAt(notes, int64(p.Off)); err != nil {
		return err
	}
	notes = append(notes, note(info)...)
	p.Off, p.Filesz, p.Memsz = uint64(end), uint64(len(notes)), uint64(len(notes))
	var text bytes.Buffer
	if err := encoding.Write(&text, encoding.LittleEndian, p); err != nil {
		return err
	}
	_, err = f.WriteAt(notes, end)
	_, werr := f.WriteAt(text.Bytes(), int64(head.Phoff))
	return errors.Join(err, werr)
}

// A file that QEMU writes can go through a pipe: it has a header, and records with the offset and the
// size of a part of the dump, and that part. makedumpfile calls this flattened. drgn does not read it. The record that
// ends the file has the offset -1.
const (
	flatHeader   = 4096
	recordHeader = 16
)

// unflatten writes the dump that a flattened file has. A newer QEMU may write the dump itself.
func unflatten(from io.Reader, to *os.File) error {
	in := bufio.NewReaderSize(from, 1<<20)
	head := make([]byte, flatHeader)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte("makedumpfile\x00")) {
		return errors.New("it is no flattened dump")
	}
	for {
		if _, err := io.ReadFull(in, head[:recordHeader]); err != nil {
			return err
		}
		offset, size := int64(encoding.BigEndian.Uint64(head)), int64(encoding.BigEndian.Uint64(head[8:]))
		if offset == -1 {
			return nil
		}
		if offset < 0 || size <= 0 {
			return fmt.Errorf("a record has the offset %d and the size %d", offset, size)
		}
		if _, err := io.CopyN(io.NewOffsetWriter(to, offset), in, size); err != nil {
			return err
		}
	}
}

// Offsets in the dump: struct disk_dump_header begins with 8 bytes of signature and 4 of version. The
// second block has struct kdump_sub_header, with the offset and the size of VMCOREINFO, and behind them those of
// the notes.
const (
	utsOffset   = 12
	utsSize     = 6 * 65
	infoOffset  = 4096 + 32
	notesOffset = infoOffset + 16
)

// describeKdump writes the names of the kernel, which QEMU leaves empty, and VMCOREINFO, both as a
// note and as text.
func describeKdump(f *os.File, uts, info []byte) error {
	place := make([]byte, 16)
	if _, err := f.ReadAt(place, notesOffset); err != nil {
		return err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	at, size := encoding.LittleEndian.Uint64(place), encoding.LittleEndian.Uint64(place[8:])
	if at+size < at || at+size > uint64(end) {
		return fmt.Errorf("its notes are at %d, with %d bytes", at, size)
	}
	notes := make([]byte, size)
	if _, err := f.ReadAt(notes, int64(at)); err != nil {
		return err
	}
	ours := note(info)
	const textAt = 12 + 12 // in our note, behind its head and its name
	var sub []byte
	for _, v := range []int{int(end) + len(notes) + textAt, len(info), int(end), len(notes) + len(ours)} {
		sub = encoding.LittleEndian.AppendUint64(sub, uint64(v))
	}
	_, err = f.WriteAt(append(notes, ours...), end)
	_, serr := f.WriteAt(sub, infoOffset)
	if len(uts) == utsSize {
		_, uerr := f.WriteAt(uts, utsOffset)
		serr = errors.Join(serr, uerr)
	}
	return errors.Join(err, serr)
}
