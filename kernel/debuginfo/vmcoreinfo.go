// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

// namesSize is the size of struct new_utsname: six names, each with its end.
const namesSize = 6 * 65

// Vmcoreinfo returns what tools need to read the memory of a kernel: its struct new_utsname, or nil
// if it is not at the start of init_uts_ns, and its VMCOREINFO, which a kernel with CONFIG_VMCORE_INFO has itself.
// The kernel has to be booted through PVH, which places it where it was linked to. Symbols that it
// does not have are left out.
func Vmcoreinfo(vmlinux, release, buildID string) (uts, info []byte, err error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // opened for reading only
	symbols, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	at := make(map[string]uint64)
	for _, s := range symbols {
		switch s.Name {
		case "init_uts_ns", "_stext", "init_top_pgt":
			at[s.Name] = s.Value
		}
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "OSRELEASE=%s\nBUILD-ID=%s\nPAGESIZE=4096\n", release, buildID)
	for _, s := range []struct{ name, symbol string }{
		{"init_uts_ns", "init_uts_ns"}, {"_stext", "_stext"},
		{"swapper_pg_dir", "init_top_pgt"}, // drgn reads an ELF file by this name, as the kernel has it
		{"init_top_pgt", "init_top_pgt"},   // libkdumpfile reads a compressed file by that
	} {
		if at[s.symbol] != 0 {
			fmt.Fprintf(&text, "SYMBOL(%s)=%x\n", s.name, at[s.symbol])
		}
	}
	text.WriteString("NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\nKERNELOFFSET=0\n")
	return names(f, at["init_uts_ns"]), text.Bytes(), nil
}

// names returns the struct new_utsname at an address of a kernel, or nil if there is none.
func names(f *elf.File, at uint64) []byte {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || at < s.Addr || at+namesSize > s.Addr+s.Size {
			continue
		}
		text := make([]byte, namesSize)
		if _, err := io.ReadFull(io.NewSectionReader(s, int64(at-s.Addr), namesSize), text); err != nil || !bytes.HasPrefix(text, []byte("Linux\x00")) {
			return nil
		}
		return text
	}
	return nil
}
