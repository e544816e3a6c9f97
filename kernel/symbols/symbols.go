// SPDX-License-Identifier: BSD-3-Clause

// Package symbols says which functions and which data of a kernel differ from those of
// another kernel. What only lies at another address, or refers to something that does, is
// equal.
package symbols

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference says what a kernel has otherwise than an older one. The names lack what the
// compiler adds to them, such as ".constprop.0". They are sorted, and each is there once.
type Difference struct {
	Functions []string // that differ, or that only one of the kernels has
	Data      []string // variables and tables, likewise, and in quotes the strings that only the newer kernel has
	Near      []string // functions that use the data, or that the data points to
}

// Nothing reports whether neither a function nor data differs.
func (d Difference) Nothing() bool { return len(d.Functions)+len(d.Data) == 0 }

// Compare compares two kernels. Each is the path of a vmlinux with its symbols.
func Compare(older, newer string) (Difference, error) {
	var c comparison
	var err error
	if c.older, err = read(older); err != nil {
		return Difference{}, err
	}
	if c.newer, err = read(newer); err != nil {
		return Difference{}, err
	}
	functions, data := make(map[string]bool), make(map[string]bool)
	var differ []symbol // data
	note := func(s symbol) {
		if s.code {
			functions[s.name] = true
		} else {
			data[s.name] = true
			differ = append(differ, s)
		}
	}
	for name, all := range c.newer.named {
		for _, s := range all {
			if !slices.ContainsFunc(c.older.named[name], func(o symbol) bool { return c.same(o, s) }) {
				note(s)
			}
		}
	}
	for name, all := range c.older.named {
		if c.newer.named[name] == nil {
			note(all[0])
		}
	}
	had := c.older.strings()
	for text, s := range c.newer.strings() {
		if _, ok := had[text]; !ok {
			note(s)
		}
	}
	d := Difference{Functions: slices.Sorted(maps.Keys(functions)), Data: slices.Sorted(maps.Keys(data))}
	if len(differ) > 0 {
		d.Near = c.near(d.Data, differ)
	}
	return d, nil
}

// kernel is what is read of a vmlinux.
type kernel struct {
	sections []*section
	symbols  []symbol            // those that have a size, by address
	named    map[string][]symbol // the same, by name
	labels   map[uint64]string   // names of addresses whose symbols have no size
}

// section is a part of the kernel that is loaded to memory.
type section struct {
	name  string
	begin uint64
	end   uint64
	code  bool
	named bool   // symbols with a size are in it
	text  []byte // nil if it begins as zeros
}

// hasStrings reports whether the section is of read-only data, where strings are.
func (s *section) hasStrings() bool {
	return !s.code && s.text != nil && strings.HasPrefix(s.name, ".rodata")
}

// symbol is a function, a variable or a table.
type symbol struct {
	name  string // without the compiler's ending
	begin uint64
	size  uint64
	code  bool
	text  []byte // nil if it begins as zeros
}

func read(path string) (*kernel, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, fmt.Errorf("%s is no x86-64 kernel", path)
	}
	k := &kernel{named: make(map[string][]symbol), labels: make(map[uint64]string)}
	at := make(map[elf.SectionIndex]*section)
	for i, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Size == 0 {
			continue
		}
		one := &section{name: s.Name, begin: s.Addr, end: s.Addr + s.Size, code: s.Flags&elf.SHF_EXECINSTR != 0}
		if s.Type != elf.SHT_NOBITS {
			if one.text, err = s.Data(); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		at[elf.SectionIndex(i)] = one
		k.sections = append(k.sections, one)
	}
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range all {
		in, loaded := at[s.Section]
		if !loaded || s.Value < in.begin || s.Value+s.Size > in.end || elf.ST_TYPE(s.Info) == elf.STT_SECTION || s.Name == "" {
			continue
		}
		name, _, _ := strings.Cut(s.Name, ".")
		if strings.HasPrefix(name, addresses) && s.Size > 0 {
			continue
		}
		if s.Size == 0 {
			k.labels[s.Value] = name
			continue
		}
		in.named = true
		one := symbol{name, s.Value, s.Size, in.code, nil}
		if in.text != nil {
			one.text = in.text[s.Value-in.begin:][:s.Size]
		}
		k.symbols, k.named[name] = append(k.symbols, one), append(k.named[name], one)
	}
	slices.SortFunc(k.symbols, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.name, b.name))
	})
	return k, nil
}

// addresses is what the names of the tables begin with that say where all else is.
const addresses = "kallsyms_"

// at returns the symbol that an address is in, and how far behind its begin.
func (k *kernel) at(address uint64) (s symbol, offset uint64, ok bool) {
	i, _ := slices.BinarySearchFunc(k.symbols, address+1, func(s symbol, a uint64) int { return cmp.Compare(s.begin, a) })
	for n := i - 1; n >= 0 && n >= i-maxAliases; n-- {
		if s := k.symbols[n]; address-s.begin < s.size {
			return s, address - s.begin, true
		}
	}
	return symbol{}, 0, false
}

// maxAliases is how many symbols before an address are looked at: several may have the same
// address, or be inside of another.
const maxAliases = 8

// in returns the section that an address is in.
func (k *kernel) in(address uint64) (*section, bool) {
	for _, s := range k.sections {
		if s.begin <= address && address < s.end {
			return s, true
		}
	}
	return nil, false
}

// comparison compares symbols of two kernels.
type comparison struct{ older, newer *kernel }

// same reports whether two symbols have equal contents. Where their bytes differ, both have
// to refer to the same thing. No instruction is decoded for that: a reference is four or
// eight bytes around the first byte that differs. That a change of something else looks
// like a reference to the same thing is unlikely enough.
func (c comparison) same(o, n symbol) bool {
	if o.size != n.size || o.code != n.code || (o.text == nil) != (n.text == nil) {
		return false
	}
	for i := 0; i < len(o.text); {
		if o.text[i] == n.text[i] {
			i++
			continue
		}
		if i = c.reference(o, n, i); i < 0 {
			return false
		}
	}
	return true
}

// reference returns the index behind a reference that has the byte at index i, or -1 if
// there is none by which both symbols refer to the same thing.
func (c comparison) reference(o, n symbol, i int) int {
	for j := i; j > i-4 && j >= 0; j-- {
		if j+4 > len(o.text) {
			continue
		}
		vo, vn := signed(o.text[j:]), signed(n.text[j:])
		small := vo+maxSmall < 2*maxSmall || vn+maxSmall < 2*maxSmall
		if c.sameTarget(vo, vn, small) {
			return j + 4
		}
		for _, behind := range relativeTo {
			if c.sameTarget(o.begin+uint64(j)+behind+vo, n.begin+uint64(j)+behind+vn, small) {
				return j + 4
			}
		}
	}
	for j := i; j > i-8 && j >= 0; j-- {
		if j+8 <= len(o.text) && c.sameTarget(binary.LittleEndian.Uint64(o.text[j:]), binary.LittleEndian.Uint64(n.text[j:]), false) {
			return j + 8
		}
	}
	return -1
}

// maxSmall bounds the numbers that are taken for no reference to something without a name:
// such a thing is in another section.
const maxSmall = 1 << 12

// relativeTo says to what a relative reference is relative, from its begin on: to its end,
// to the end of an instruction with one, two or four bytes behind it, or, in data, to its
// begin.
var relativeTo = []uint64{4, 5, 6, 8, 0}

// signed returns four bytes as a number that can be added to an address.
func signed(text []byte) uint64 { return uint64(int64(int32(binary.LittleEndian.Uint32(text)))) }

// sameTarget reports whether an address of the older kernel and one of the newer kernel have
// the same thing. Strings have no names: their text is compared. Nor have the entries of
// tables that the linker collects, such as that of WARN(): they are taken for the same. If
// named is set, only what has a name can be the same.
func (c comparison) sameTarget(o, n uint64, named bool) bool {
	so, offo, oko := c.older.at(o)
	sn, offn, okn := c.newer.at(n)
	if oko || okn {
		return so.name == sn.name && offo == offn
	}
	if lo, ln := c.older.labels[o], c.newer.labels[n]; lo != "" || ln != "" {
		return lo == ln
	}
	in, ok := c.older.in(o)
	other, okOther := c.newer.in(n)
	if !ok || !okOther || in.name != other.name || named {
		return false
	}
	return !in.named && !other.named || in.hasStrings() && bytes.Equal(word(in.text[o-in.begin:]), word(other.text[n-other.begin:]))
}

// word returns text up to its first NUL.
func word(text []byte) []byte {
	text, _, _ = bytes.Cut(text[:min(len(text), maxString)], []byte{0})
	return text
}

// maxString is the largest part of a string that is compared, in bytes.
const maxString = 1 << 12
