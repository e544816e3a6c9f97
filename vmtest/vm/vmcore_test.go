// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bytes"
	"debug/elf"
	encoding "encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

var testInfo = []byte("OSRELEASE=6.12.0\nBUILD-ID=00\n")

// A guest that resets before it is done, and one that hangs, leave their memory in either lane and format. QEMU
// has written it, and it has what we add. The reset ends the boot by itself, as without a vmcore.
func TestBootLeavesVmcore(t *testing.T) {
	resets := assemble(t, strings.Replace(tiny, "cmpl $0, done", "cmpl $0, ticks", 1))
	hangs := assemble(t, tiny)
	for name, tc := range map[string]struct{ kernel, lane, format, reason string }{
		"a reset":                 {resets, wire.Real, Kdump, wire.EndedItself},
		"a reset in virtual time": {resets, wire.Virtual, ELF, wire.EndedItself},
		"a hang":                  {hangs, wire.Real, ELF, wire.BootTimeout},
		"a hang in virtual time":  {hangs, wire.Virtual, Kdump, wire.BootTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			said := "nothing"
			g := Guest{Kernel: tc.kernel, Accel: TCG, Lane: tc.lane, Change: Change{MemoryMB: 128}}
			g.Vmcore = Vmcore{Format: tc.format, UTS: append([]byte("Linux"), make([]byte, utsSize-5)...), Info: testInfo, Say: func(path string, err error) {
				if said = path; err != nil {
					said = err.Error()
				}
			}}
			exit, err := Boot(t.Context(), g, plan, Limits{Boot: 3 * time.Second, Test: time.Minute, Rest: time.Minute, Run: time.Minute}, dir, Observer{Record: func(wire.Record) {}})
			if err != nil {
				t.Fatal(err)
			}
			if exit.Reason != tc.reason || tc.reason == wire.EndedItself && exit.Status != 0 {
				t.Errorf("got %+v, want %s", exit, tc.reason)
			}
			path := filepath.Join(dir, wire.VmcoreFile)
			if said != path {
				t.Fatalf("said %s, want %s", said, path)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, append([]byte("VMCOREINFO\x00\x00"), testInfo...)); n != 1 {
				t.Errorf("it has our note %d times", n)
			}
			if tc.format == ELF {
				checkELF(t, path)
			} else {
				checkKdump(t, text)
			}
			if left := glob(t, dir); slices.Contains(left, path+".flat") {
				t.Errorf("there are %q", left)
			}
		})
	}
}

// checkELF demands a file with the memory, the registers of a CPU, and our note.
func checkELF(t *testing.T, path string) {
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var memory uint64
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_LOAD:
			memory = max(memory, p.Filesz)
		case elf.PT_NOTE:
			notes := make([]byte, p.Filesz)
			if _, err := p.ReadAt(notes, 0); err != nil || !bytes.HasPrefix(notes[12:], []byte("CORE\x00")) || !bytes.HasSuffix(notes, note(testInfo)) {
				t.Errorf("its notes are %q, %v", notes, err)
			}
		}
	}
	if memory < 100<<20 {
		t.Errorf("the largest part of the memory has %d bytes", memory)
	}
}

// checkKdump demands a dump whose header names the kernel, and says where our note is.
func checkKdump(t *testing.T, text []byte) {
	if !bytes.HasPrefix(text, []byte("KDUMP   ")) || !bytes.HasPrefix(text[utsOffset:], []byte("Linux\x00")) {
		t.Errorf("it begins with %q", text[:32])
	}
	at, size := encoding.LittleEndian.Uint64(text[infoOffset:]), encoding.LittleEndian.Uint64(text[infoOffset+8:])
	if got := text[at : at+size]; !bytes.Equal(got, testInfo) {
		t.Errorf("VMCOREINFO is %q", got)
	}
	at, size = encoding.LittleEndian.Uint64(text[notesOffset:]), encoding.LittleEndian.Uint64(text[notesOffset+8:])
	if got := text[at : at+size]; !bytes.HasPrefix(got[12:], []byte("CORE\x00")) || !bytes.HasSuffix(got, note(testInfo)) {
		t.Errorf("the notes are %q", got)
	}
}

// A file that is cut at any byte, or has other bytes, is an error: it does not crash, and does not become a vmcore.
func TestDescribeDamaged(t *testing.T) {
	dir := t.TempDir()
	whole := flat(t)
	written, path := filepath.Join(dir, "vmcore.flat"), filepath.Join(dir, "vmcore")
	describe := func(text []byte) error {
		if err := errors.Join(os.WriteFile(written, text, 0o600), os.RemoveAll(path)); err != nil {
			t.Fatal(err)
		}
		return Vmcore{Format: Kdump, Info: testInfo}.describe(written, path)
	}
	if err := describe(whole); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 7 {
		if describe(whole[:n]) == nil {
			t.Errorf("%d bytes of %d are taken", n, len(whole))
		}
	}
	far := bytes.Clone(whole)
	encoding.LittleEndian.PutUint64(far[flatHeader+recordHeader+notesOffset+8:], 1<<40)
	if describe(far) == nil {
		t.Error("notes that are larger than the file are taken")
	}
	huge := bytes.Clone(whole)
	encoding.BigEndian.PutUint64(huge[flatHeader+8:], 1<<63)
	if describe(huge) == nil {
		t.Error("a record with a negative size is taken")
	}
	for name, text := range map[string][]byte{"nothing": nil, "no ELF file": make([]byte, 500), "no notes": append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if (Vmcore{Format: ELF, Info: testInfo}).describe(path, path) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// flat is a flattened dump without memory.
func flat(t *testing.T) []byte {
	dump := make([]byte, notesOffset+16)
	copy(dump, "KDUMP   ")
	encoding.LittleEndian.PutUint64(dump[notesOffset:], 0)
	text := append([]byte("makedumpfile\x00"), make([]byte, flatHeader-13)...)
	text = encoding.BigEndian.AppendUint64(text, 0)
	text = encoding.BigEndian.AppendUint64(text, uint64(len(dump)))
	text = append(text, dump...)
	return append(text, bytes.Repeat([]byte{0xff}, recordHeader)...)
}

// A vmcore that does not fit is said, with what to do, for a folder that is not there yet, too.
func TestCheckVmcore(t *testing.T) {
	dir := t.TempDir()
	if err := CheckVmcore(filepath.Join(dir, "a", "b"), Change{}, 1); err != nil {
		t.Error(err)
	}
	if err := CheckVmcore(filepath.Join(dir, "a", "b"), Change{MemoryMB: 1 << 20}, 1<<10); err == nil || !strings.Contains(err.Error(), "a vmcore does not fit: it needs 1073741888 MB at most, and "+dir+" has ") {
		t.Errorf("got %v", err)
	}
}
