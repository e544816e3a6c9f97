// SPDX-License-Identifier: BSD-3-Clause

// Package kconfig reads kernel configuration fragments, merges them, and checks
// that a .config has the values that they request. The kernel's own
// merge_config.sh prints the options it lost and exits with 0; here a lost
// option is an error.
package kconfig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Option is one request of a fragment.
type Option struct {
	Name  string // with the CONFIG_ prefix
	Value string // as written after "="; "n" for "# CONFIG_X is not set"
	File  string
	Line  int
}

// String is the option as a .config line.
func (o Option) String() string {
	if o.Value == "n" {
		return "# " + o.Name + " is not set"
	}
	return o.Name + "=" + o.Value
}

// Config is a list of requests, each name once, in the order in which the names
// first appear. The zero value requests nothing.
type Config struct {
	Options []Option
}

// SyntaxError is a fragment line that is neither an option nor a comment, or that
// may be meant for one and reads as the other.
type SyntaxError struct {
	File string
	Line int
	Text string
	Hint string // what to write; may be empty
}

func (e *SyntaxError) Error() string {
	if e.Hint != "" {
		return fmt.Sprintf("%s:%d: %q: %s", e.File, e.Line, e.Text, e.Hint)
	}
	return fmt.Sprintf("%s:%d: %q is neither CONFIG_NAME=value, \"# CONFIG_NAME is not set\" nor a comment", e.File, e.Line, e.Text)
}

// Lost is a requested option that has another value in the .config.
type Lost struct {
	Option
	Got string // the value it has; "n" when it is off or absent
}

// LostError lists all requested options that have another value.
type LostError struct {
	Lost []Lost
}

func (e *LostError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the requested options cannot be set:", len(e.Lost))
	for _, l := range e.Lost {
		fmt.Fprintf(&b, "\n  %s:%d: wanted %s=%s, got %s", l.File, l.Line, l.Name, l.Value, l.Got)
	}
	return b.String()
}

// ErrEmpty is returned for fragments that request nothing.
var ErrEmpty = errors.New("no option is requested")

var (
	setRE   = regexp.MustCompile(`^(CONFIG_[A-Za-z0-9_]+)=(.+)$`)
	unsetRE = regexp.MustCompile(`^# (CONFIG_[A-Za-z0-9_]+) is not set$`)

	// valueRE is what Kconfig takes for a value: with anything behind it, such as a
	// comment, it drops the option with a warning.
	valueRE = regexp.MustCompile(`^([ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(\\.|[^"\\])*")$`)

	// almostUnset is a comment to Kconfig, and was hardly meant for one.
	almostUnset = regexp.MustCompile(`(?i)^\s*#+\s*(CONFIG_[A-Za-z0-9_]+)\s+is\s+not\s+set\W*$`)
)

// Load reads fragments and merges them. If two files request the same name, the
// later file wins.
func Load(files ...string) (Config, error) {
	var c Config
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return Config{}, fmt.Errorf("read fragment: %w", err)
		}
		part, err := Parse(file, text)
		if err != nil {
			return Config{}, err
		}
		c = c.Merge(part)
	}
	if len(c.Options) == 0 {
		return Config{}, ErrEmpty
	}
	return c, nil
}

// Parse reads one fragment. A name may be requested only once in it, because a
// second request is either useless or a contradiction.
func Parse(file string, text []byte) (Config, error) {
	var c Config
	seen := make(map[string]int)
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, " \t\r")
		o := Option{File: file, Line: i + 1}
		if m := setRE.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], m[2]
			if !valueRE.MatchString(o.Value) {
				return Config{}, &SyntaxError{file, i + 1, line, "a value is y, m, n, a number or a text in double quotes; put a comment on a line of its own"}
			}
		} else if m := unsetRE.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], "n"
		} else if m := almostUnset.FindStringSubmatch(line); m != nil {
			return Config{}, &SyntaxError{file, i + 1, line, fmt.Sprintf("to turn the option off, write \"# %s is not set\"", m[1])}
		} else if text := strings.TrimLeft(line, " \t"); text == "" || text[0] == '#' {
			continue
		} else {
			return Config{}, &SyntaxError{File: file, Line: i + 1, Text: line}
		}
		if first, ok := seen[o.Name]; ok {
			return Config{}, fmt.Errorf("%s:%d: %s is requested on line %d already", file, i+1, o.Name, first)
		}
		seen[o.Name] = i + 1
		c.Options = append(c.Options, o)
	}
	return c, nil
}

// Merge returns c with the requests of over, which win.
func (c Config) Merge(over Config) Config {
	merged := Config{Options: append([]Option(nil), c.Options...)}
	at := make(map[string]int)
	for i, o := range merged.Options {
		at[o.Name] = i
	}
	for _, o := range over.Options {
		if i, ok := at[o.Name]; ok {
			merged.Options[i] = o
			continue
		}
		at[o.Name] = len(merged.Options)
		merged.Options = append(merged.Options, o)
	}
	return merged
}

// Bytes returns the merged fragment, ready to be appended to a .config.
func (c Config) Bytes() []byte {
	var b bytes.Buffer
	for _, o := range c.Options {
		fmt.Fprintln(&b, o)
	}
	return b.Bytes()
}

// Verify compares a .config with all requests. It returns a *LostError with
// those that differ, or nil.
func (c Config) Verify(dotconfig []byte) error {
	got := make(map[string]string)
	for _, line := range strings.Split(string(dotconfig), "\n") {
		if m := setRE.FindStringSubmatch(line); m != nil {
			got[m[1]] = m[2]
		}
	}
	var lost []Lost
	for _, o := range c.Options {
		have := got[o.Name]
		if have == "" {
			have = "n"
		}
		if have != o.Value {
			lost = append(lost, Lost{o, have})
		}
	}
	if lost != nil {
		return &LostError{lost}
	}
	return nil
}
