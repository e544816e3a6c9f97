// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"fmt"
	"strings"
	"unicode"
)

// inPaths are the characters that a path may have beside letters and digits for
// a kernel to be built there. Its Makefile refuses spaces and colons; make and
// the shell take most others for something else.
const inPaths = "/._-+@~,="

// Buildable is an error if the kernel's makefiles cannot work in a folder.
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
