// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"strings"
	"testing"
)

func TestBuildable(t *testing.T) {
	for path, want := range map[string]bool{
		"/home/jürgen/.cache":  true,
		"/a/b,c=d~e@f+g-h_i.j": true,
		"/home/a\u0308/x":      true, // ä as macOS writes it
		"/Meine Dateien":       false,
		"/a:b":                 false,
		"/a\tb":                false,
		"/a#b":                 false,
		"/a$b":                 false,
		"/a%b":                 false,
		"/a'b":                 false,
		`/a\b`:                 false,
		"/a*b":                 false,
	} {
		if err := Buildable(path); (err == nil) != want {
			t.Errorf("%q: %v, want it to be usable: %v", path, err, want)
		}
	}
}

// What cannot be seen in a path is called by its name.
func TestBuildableSaysWhich(t *testing.T) {
	for path, want := range map[string]string{"/my job": "no space in", "/a:b": "no colon in", "/a\nb": "no newline in", "/a\tb": "no tab in", "/a#b": "no '#' in"} {
		if err := Buildable(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", path, err, want)
		}
	}
}
