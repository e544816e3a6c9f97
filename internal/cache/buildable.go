// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"fmt"
	"strings"
	"unicode"
)

// inPaths are the characters, besides letters and digits, that may be in the path of a
// folder in which a kernel is built. The kernel's Makefile refuses spaces and colons.
// Most other characters have a meaning in make or in the shell.
const inPaths = "/._-+@~,="

// Buildable returns an error if no kernel can be built in the folder dir, because its
// path has a character that the kernel's makefiles cannot handle.
func Buildable(dir string) error {
	for _, c := range dir {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c) && !strings.ContainsRune(inPaths, c) {
			return fmt.Errorf("a kernel cannot be built in %q: its makefiles take no %s in a path, only letters, digits and %s", dir, named(c), inPaths)
		}
	}
	return nil
}

// named is a character as a message has it: one that cannot be seen has a name.
func named(c rune) string {
	switch c {
	case ' ':
		return "space"
	case '\t':
		return "tab"
	case '\n':
		return "newline"
	case ':':
		return "colon"
	}
	return fmt.Sprintf("%q", c)
}
