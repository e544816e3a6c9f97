// SPDX-License-Identifier: BSD-3-Clause

package symbols

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// strings returns the strings of a kernel as symbols, by their texts. They are what has no
// name in the sections of read-only data. The name of such a symbol is the text in quotes.
func (k *kernel) strings() map[string]symbol {
	all := make(map[string]symbol)
	for _, in := range k.sections {
		if !in.hasStrings() {
			continue
		}
		at := in.begin
		for _, s := range k.symbols {
			if s.begin < in.begin || s.begin >= in.end {
				continue
			}
			if at < s.begin {
				k.stringsIn(at, in.text[at-in.begin:s.begin-in.begin], all)
			}
			at = max(at, s.begin+s.size)
		}
		k.stringsIn(at, in.text[at-in.begin:], all)
	}
	return all
}

// stringsIn adds the strings of a text that begins at an address. Other data may look like a
// short string.
func (k *kernel) stringsIn(begin uint64, text []byte, all map[string]symbol) {
	for at := 0; at < len(text); {
		if strings.HasPrefix(k.labels[begin+uint64(at)], addresses) {
			return
		}
		one, _, _ := bytes.Cut(text[at:], []byte{0})
		if name := string(one); len(one) >= minString && !slices.ContainsFunc(one, unprintable) {
			all[name] = symbol{strconv.Quote(name[:min(len(name), maxQuoted)]), begin + uint64(at), uint64(len(one)) + 1, false, one}
		}
		at += len(one) + 1
	}
}

// minString is the length of the shortest string that is looked at.
const minString = 3

// maxQuoted is how many bytes of a string its name has.
const maxQuoted = 40

// unprintable reports whether a byte is in no string of a kernel. A message begins with the
// byte 1 and its level.
func unprintable(b byte) bool { return (b < ' ' || b > '~') && b != 1 && b != '\n' && b != '\t' }
