// SPDX-License-Identifier: BSD-3-Clause

// Package kconfig reads kernel configuration fragments, merges them, and checks
// that a .config has the values that they request. The kernel's own
// merge_config.sh prints the options it lost and exits with 0; here a lost
// option is an error.
package kconfig

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Option is one request of a fragment.
type Option struct {
	Name  string // with the CONFIG_ prefix
	Value string // as written after "="; "n" for "# CONFIG_X is not set"
	File  string
	Line  int

	// IfDefined is a symbol, without the CONFIG_ prefix, or empty. The option is meant
	// for trees whose Kconfig files define the symbol, and must be absent in others. If
	// IfDefined is empty, the option is meant for every tree.
	IfDefined string

	// IfTiny says that the option only undoes or keeps what "make tinyconfig" sets. It is
	// left out on top of another Start.
	IfTiny bool
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
	Start   *Start // what the requests go on top of; nil: the .config that "make tinyconfig" makes

	// Tiny are the requests that Full left out, because they are for tinyconfig alone.
	Tiny []Option
}

// SyntaxError is a fragment line that is neither an option nor a comment, or a
// comment that was probably meant as an option.
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

	// Unmeant says that the option is meant for other trees, but the .config has it.
	Unmeant bool
}

// LostError lists all requested options that have another value.
type LostError struct {
	Lost []Lost
}

func (e *LostError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the requested options cannot be set:", len(e.Lost))
	for _, l := range e.Lost {
		if l.Unmeant {
			fmt.Fprintf(&b, "\n  %s:%d: %s is meant for trees that define %s; this tree does not define it, but has %s=%s", l.File, l.Line, l.Name, l.IfDefined, l.Name, l.Got)
			continue
		}
		fmt.Fprintf(&b, "\n  %s:%d: wanted %s=%s, got %s", l.File, l.Line, l.Name, l.Value, l.Got)
	}
	return b.String()
}

// ErrEmpty is returned for fragments that request nothing.
var ErrEmpty = errors.New("no option is requested")

var (
	setRE   = regexp.MustCompile(`^(CONFIG_[A-Za-z0-9_]+)=(.+)$`)
	unsetRE = regexp.MustCompile(`^# (CONFIG_[A-Za-z0-9_]+) is not set$`)

	// valueRE matches what Kconfig accepts as a value. If anything follows the value,
	// such as a comment, Kconfig warns and drops the option.
	valueRE = regexp.MustCompile(`^([ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(\\.|[^"\\])*")$`)

	// almostUnset matches lines that are comments to Kconfig, but were probably meant
	// to turn an option off.
	almostUnset = regexp.MustCompile(`(?i)^\s*#+\s*(CONFIG_[A-Za-z0-9_]+)\s+is\s+not\s+set\W*$`)

	// These match lines that are comments to Kconfig. They apply to the next line only.
	ifDefinedRE = regexp.MustCompile(`^#if-defined\b *(.*)$`)
	symbolRE    = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// ifTiny is such a line, too.
const ifTiny = "#if-tinyconfig"

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
	var next Option // what the line above says of the next option
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, " \t\r")
		condition := next.condition()
		if m := ifDefinedRE.FindStringSubmatch(line); m != nil {
			if condition != "" || !symbolRE.MatchString(m[1]) {
				return Config{}, fmt.Errorf("%s:%d: %q is not \"#if-defined SYMBOL\", with an option on the next line", file, i+1, line)
			}
			next.IfDefined = m[1]
			continue
		}
		if line == ifTiny && condition == "" {
			next.IfTiny = true
			continue
		}
		o := next
		o.File, o.Line = file, i+1
		if m := setRE.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], m[2]
			if !valueRE.MatchString(o.Value) {
				return Config{}, &SyntaxError{file, i + 1, line, "a value is y, m, n, a number or a text in double quotes; put a comment on a line of its own"}
			}
		} else if m := unsetRE.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], "n"
		} else if condition != "" {
			return Config{}, fmt.Errorf("%s:%d: %q has to be followed by an option, not by %q", file, i+1, condition, line)
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
		seen[o.Name], next = i+1, Option{}
		c.Options = append(c.Options, o)
	}
	if condition := next.condition(); condition != "" {
		return Config{}, fmt.Errorf("%s: %q has no option below it", file, condition)
	}
	return c, nil
}

// condition returns the line above the option that says when it is meant, or "".
func (o Option) condition() string {
	switch {
	case o.IfDefined != "":
		return "#if-defined " + o.IfDefined
	case o.IfTiny:
		return ifTiny
	}
	return ""
}

// Merge returns the requests of c and over. If both request an option, over wins.
func (c Config) Merge(over Config) Config {
	merged := Config{Options: append([]Option(nil), c.Options...), Start: cmp.Or(over.Start, c.Start), Tiny: slices.Concat(c.Tiny, over.Tiny)}
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

// Bytes returns the merged fragment. Equal texts request the same. The text can be parsed
// again, apart from the Start, of which it has the digest.
func (c Config) Bytes() []byte {
	var b bytes.Buffer
	if c.Start != nil {
		fmt.Fprintf(&b, "# on top of %s, SHA-256 %x\n", filepath.Base(c.Start.File), sha256.Sum256(c.Start.Text))
	}
	for _, o := range c.Options {
		if o.IfDefined != "" { // on top of tinyconfig the other condition is met
			fmt.Fprintln(&b, o.condition())
		}
		fmt.Fprintln(&b, o)
	}
	return b.Bytes()
}

// For splits the requests into those that are meant for a tree and the others. defined
// has the symbols that the tree's Kconfig files define, without the CONFIG_ prefix.
func (c Config) For(defined map[string]bool) (meant, others Config) {
	for _, o := range c.Options {
		if o.IfDefined == "" || defined[o.IfDefined] {
			meant.Options = append(meant.Options, o)
		} else {
			others.Options = append(others.Options, o)
		}
	}
	return meant, others
}

// Verify compares a .config of a tree that defines these symbols with all requests.
// It returns a *LostError with those that differ, or nil. A request that is meant for
// other trees differs if the .config has the option.
func (c Config) Verify(dotconfig []byte, defined map[string]bool) error {
	got := Values(dotconfig)
	var lost []Lost
	meant, others := c.For(defined)
	for _, o := range meant.Options {
		if have := cmp.Or(got[o.Name], "n"); have != o.Value {
			lost = append(lost, Lost{Option: o, Got: have})
		}
	}
	for _, o := range others.Options {
		if have := got[o.Name]; have != "" {
			lost = append(lost, Lost{Option: o, Got: have, Unmeant: true})
		}
	}
	if lost != nil {
		return &LostError{lost}
	}
	return nil
}

// Values returns the options that a .config sets, with the CONFIG_ prefix, and their values as they
// are written there.
func Values(dotconfig []byte) map[string]string {
	got := make(map[string]string)
	for line := range strings.Lines(string(dotconfig)) {
		if m := setRE.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
			got[m[1]] = m[2]
		}
	}
	return got
}
