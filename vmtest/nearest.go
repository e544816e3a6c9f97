// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/wire"
)

// didYouMean ends a message about a word that is none of those that there are. It is
// empty if none of them is near.
func didYouMean(word string, among []string) string {
	if near := nearest.Word(word, among); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearestTest is the test that an expression may have been meant for; empty: none is near.
func nearestTest(expression string, tests []wire.TestID) string {
	word := strings.ToLower(strings.Trim(expression, `^$.*()\`))
	best, fewest := "", 1+len(word)/4
	for _, t := range tests {
		if n := nearest.DistanceWithin(word, strings.ToLower(t.String())); n < fewest {
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
	if near := nearest.Word(filepath.Base(path), names); near != "" {
		text += "; did you mean " + filepath.Join(filepath.Dir(path), near) + "?"
	}
	return text
}
