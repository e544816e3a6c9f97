// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Start is a .config, or a defconfig, that requests go on top of.
type Start struct {
	File string
	Text []byte
}

// Full returns the requests without those that are for tinyconfig alone.
func (c Config) Full() Config {
	full := Config{Start: c.Start, Tiny: c.Tiny}
	for _, o := range c.Options {
		if o.IfTiny {
			full.Tiny = append(full.Tiny, o)
		} else {
			full.Options = append(full.Options, o)
		}
	}
	return full
}

// On returns the requests, but for those that are for tinyconfig alone, on top of a Start. A
// Start that sets no option is an error.
func (c Config) On(s Start) (Config, error) {
	if len(Values(s.Text)) == 0 {
		return c, fmt.Errorf("%s sets no option: it has no line CONFIG_NAME=value", s.File)
	}
	on := c.Full()
	on.Start = &s
	return on, nil
}

// Lines returns what is known of a .config before Kconfig has made it, as its lines: the requests, and
// the options of the Start that no request replaces.
func (c Config) Lines() []string {
	lines := make(map[string]string) // by option
	if c.Start != nil {
		for line := range strings.Lines(string(c.Start.Text)) {
			line = strings.TrimRight(line, " \t\r\n")
			for _, re := range []*regexp.Regexp{setRE, unsetRE} {
				if m := re.FindStringSubmatch(line); m != nil {
					lines[m[1]] = line
				}
			}
		}
	}
	for _, o := range c.Options {
		lines[o.Name] = o.String()
	}
	return slices.Sorted(maps.Values(lines))
}

// Replaced lists the options that a .config has otherwise than the Start, without those
// that are requested. Kconfig drops an option that the tree does not define, or whose needs
// are not met. The list is empty without a Start.
func (c Config) Replaced(dotconfig []byte) []Lost {
	if c.Start == nil {
		return nil
	}
	requested := make(map[string]bool)
	for _, o := range c.Options {
		requested[o.Name] = true
	}
	got := Values(dotconfig)
	var all []Lost
	for i, line := range strings.Split(string(c.Start.Text), "\n") {
		m := setRE.FindStringSubmatch(strings.TrimRight(line, " \t\r"))
		if m == nil || requested[m[1]] || m[2] == "n" || toolFact.MatchString(m[1]) {
			continue
		}
		if have := cmp.Or(got[m[1]], "n"); have != m[2] {
			all = append(all, Lost{Option: Option{Name: m[1], Value: m[2], File: c.Start.File, Line: i + 1}, Got: have})
		}
	}
	return all
}

// toolFact matches the options by which Kconfig notes what the compiler and other tools can
// do. Nobody sets them.
var toolFact = regexp.MustCompile(`^CONFIG_(CC|GCC|CLANG|LD|LLD|AS|RUSTC|RUST|PAHOLE|TOOLS|ARCH|HAVE|BUILDTIME)_`)
