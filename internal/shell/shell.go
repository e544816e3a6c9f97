// SPDX-License-Identifier: BSD-3-Clause

// Package shell writes commands as a user can paste them into a shell.
package shell

import (
	"strings"
	"unicode"
)

// Quote makes one line of a command's words, which a shell reads back as the same
// words.
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

// needsQuote knows what has a meaning for shells. A "~" has one at the start of a
// word only, and is quoted everywhere.
func needsQuote(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./,:=+@%", r)
}
