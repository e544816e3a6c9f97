// SPDX-License-Identifier: BSD-3-Clause

package nearest

import (
	"os"
	"path/filepath"
)

// DidYouMean ends a message about a word that is none of those that there are. It is
// empty if none of them is near.
func DidYouMean(word string, among []string) string {
	if near := Word(word, among); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// NoSuchPath ends a message about a path that is not there: with the nearest one
// beside it.
func NoSuchPath(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "there is no such path, and no folder " + filepath.Dir(path)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	text := "there is no such path"
	if near := Word(filepath.Base(path), names); near != "" {
		text += "; did you mean " + filepath.Join(filepath.Dir(path), near) + "?"
	}
	return text
}
