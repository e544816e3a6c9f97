// SPDX-License-Identifier: BSD-3-Clause

// Package nearest finds the word that a user may have meant when a word does not exist.
package nearest

import (
	"slices"
	"strings"
)

// Word returns the word that the user may have meant. If exactly one word begins with the
// user's word, it is that one. Otherwise it is the first of those with the smallest edit
// distance. It returns "" if no word is near.
func Word(word string, among []string) string {
	var longer []string
	best, fewest := "", 2+len(word)/4
	for _, w := range among {
		if strings.HasPrefix(w, word) {
			longer = append(longer, w)
		}
		if n := Distance(word, w); n < fewest {
			best, fewest = w, n
		}
	}
	if len(longer) == 1 && word != "" {
		return longer[0]
	}
	return best
}

// Distance returns the edit distance of two texts: how many bytes must be inserted,
// deleted or replaced to turn one into the other.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	return edit(row, a, b)[len(b)]
}

// DistanceWithin returns the smallest edit distance between a word and any part of a
// text.
func DistanceWithin(word, text string) int {
	return slices.Min(edit(make([]int, len(text)+1), word, text)) // zeros: a part may begin anywhere
}

// edit fills the last row of the table of edit distances. row holds the distances
// between the empty word and each beginning of text.
func edit(row []int, word, text string) []int {
	for i := range len(word) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(text) {
			replaced := diagonal
			if word[i] != text[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row
}
