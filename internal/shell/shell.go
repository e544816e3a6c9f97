// SPDX-License-Identifier: BSD-3-Clause

// Package shell quotes commands so that a user can paste them into a shell.
package shell

import (
	"strings"
	"unicode"
)

// Quote returns the words of a command as one line. A shell reads the same words back.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if word == "" || strings.ContainsFunc(word, needsQuote) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// needsQuote reports whether a character may have a meaning for a shell. It is true for "~"
// everywhere, although shells expand it only at the start of a word.
func needsQuote(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./,:=+@%", r)
}
