// SPDX-License-Identifier: BSD-3-Clause

package symbols

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"
)

// SameObject reports whether two objects that the compiler has made have the same code and data, and the
// same symbols. Debug information may differ.
func SameObject(a, b []byte) (bool, error) {
	one, err := contents(a)
	if err != nil {
		return false, err
	}
	other, err := contents(b)
	if err != nil || len(one) != len(other) {
		return false, err
	}
	for i := range one {
		if one[i].name != other[i].name || !bytes.Equal(one[i].text, other[i].text) {
			return false, nil
		}
	}
	return true, nil
}

// content is a section of an object. Its text begins with what kind it is and how long.
type content struct {
	name string
	text []byte
}

// contents returns the sections of an object that are not about debug information.
func contents(object []byte) ([]content, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	var all []content
	for _, s := range f.Sections {
		if strings.Contains(s.Name, ".debug_") || s.Name == ".comment" || s.Name == ".shstrtab" {
			continue
		}
		text := fmt.Appendf(nil, "%v %v %d\n", s.Type, s.Flags, s.Size)
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL {
			data, err := s.Data()
			if err != nil {
				return nil, fmt.Errorf("section %s: %w", s.Name, err)
			}
			text = append(text, data...)
		}
		all = append(all, content{s.Name, text})
	}
	return all, nil
}
