// SPDX-License-Identifier: BSD-3-Clause

package symbols

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// near returns the functions of the newer kernel that refer to data that differs, and those
// that the data of either kernel points to. names are those of the data. A table that points
// to data that differs counts as such data.
func (c comparison) near(names []string, differ []symbol) []string {
	found := make(map[string]bool)
	for _, k := range []*kernel{c.older, c.newer} {
		for _, name := range names {
			for _, s := range k.named[name] {
				k.pointers(s, found)
			}
		}
	}
	direct := within(differ)
	for _, s := range c.newer.symbols {
		if !s.code && words(s.text, 8, func(j int) bool { return direct(binary.LittleEndian.Uint64(s.text[j:])) }) {
			differ = append(differ, s)
		}
	}
	refers := within(differ)
	for _, f := range c.newer.symbols {
		if f.code && !found[f.name] && words(f.text, 1, func(j int) bool {
			v := signed(f.text[j:])
			return refers(v) || refers(f.begin+uint64(j)+4+v)
		}) {
			found[f.name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// words reports whether one of the words of a text has a property. A word begins at each
// multiple of step, and is as long as step, but not shorter than four bytes.
func words(text []byte, step int, has func(j int) bool) bool {
	for j := 0; j+max(step, 4) <= len(text); j += step {
		if has(j) {
			return true
		}
	}
	return false
}

// within returns a function that reports whether an address is in one of the symbols.
func within(symbols []symbol) func(address uint64) bool {
	lowest, highest := uint64(math.MaxUint64), uint64(0)
	for _, s := range symbols {
		lowest, highest = min(lowest, s.begin), max(highest, s.begin+s.size)
	}
	return func(address uint64) bool {
		return lowest <= address && address < highest &&
			slices.ContainsFunc(symbols, func(s symbol) bool { return address-s.begin < s.size })
	}
}

// pointers adds the functions that data points to.
func (k *kernel) pointers(data symbol, found map[string]bool) {
	for j := 0; !data.code && j+8 <= len(data.text); j += 8 {
		if s, offset, ok := k.at(binary.LittleEndian.Uint64(data.text[j:])); ok && s.code && offset == 0 {
			found[s.name] = true
		}
	}
}
