// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// didYouMean ends a message about a word that is none of those that there are. It is
// empty if none of them is near.
func didYouMean(word string, among []string) string {
	if near := nearest(word, among); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearest is the word that may have been meant: the only one that begins like it, or
// the first of those that take the fewest changes of a letter.
func nearest(word string, among []string) string {
	var longer []string
	best, fewest := "", 2+len(word)/4
	for _, w := range among {
		if strings.HasPrefix(w, word) {
			longer = append(longer, w)
		}
		if n := changes(word, w); n < fewest {
			best, fewest = w, n
		}
	}
	if len(longer) == 1 && word != "" {
		return longer[0]
	}
	return best
}

// changes is the edit distance: how many bytes are to be put in, taken out or replaced.
func changes(word, text string) int {
	row := make([]int, len(text)+1)
	for j := range row {
		row[j] = j
	}
	return edit(row, word, text)[len(text)]
}

// changesWithin is the least edit distance between a word and a part of a text.
func changesWithin(word, text string) int {
	return slices.Min(edit(make([]int, len(text)+1), word, text)) // zeros: a part may begin anywhere
}

// edit goes on from the distances of the beginnings of text to nothing, and returns
// those to word.
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

// nearestTest is the test that an expression may have been meant for; empty: none is near.
func nearestTest(expression string, tests []wire.TestID) string {
	word := strings.ToLower(strings.Trim(expression, `^$.*()\`))
	best, fewest := "", 1+len(word)/4
	for _, t := range tests {
		if n := changesWithin(word, strings.ToLower(t.String())); n < fewest {
			best, fewest = t.String(), n
		}
	}
	return best
}

// noSuchPath ends a message about a path that is not there: with the nearest one
// beside it.
func noSuchPath(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "there is no such path, and no folder " + filepath.Dir(path)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	text := "there is no such path"
	if near := nearest(filepath.Base(path), names); near != "" {
		text += "; did you mean " + filepath.Join(filepath.Dir(path), near) + "?"
	}
	return text
}
