// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"flag"
	"strings"

	"timens-vmtest/internal/blame"
)

// Parse reads the arguments of a verb, which has the flags of set. Flags may stand before,
// between and behind names, up to a "--". For a flag that set does not have, the error is
// that of unknown. Parse fails with flag.ErrHelp if help is asked for.
func (c *Command) Parse(set *flag.FlagSet, args []string, unknown func(name string) error) (names []string, err error) {
	c.set = make(map[string]bool)
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return append(names, args[1:]...), nil
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			names, args = append(names, arg), args[1:]
			continue
		}
		n, err := c.parseFlag(set, args, unknown)
		if err != nil {
			return nil, err
		}
		c.Given, args = append(c.Given, args[:n]...), args[n:]
	}
	return names, nil
}

// parseFlag reads the flag that the arguments begin with, and says how many of them
// it takes.
func (c *Command) parseFlag(set *flag.FlagSet, args []string, unknown func(name string) error) (n int, err error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(args[0][1:], "-"), "=")
	f := set.Lookup(name)
	switch {
	case f == nil && (name == "h" || name == "help"):
		return 0, flag.ErrHelp
	case f == nil:
		return 0, unknown(name)
	case IsBool(f) || hasValue:
		n = 1
	case len(args) == 1:
		return 0, blame.Usagef("-%s needs a value; \"%s -h\" says which", name, set.Name())
	default:
		n, value = 2, args[1]
	}
	if value == "" && !(IsBool(f) && !hasValue) { // such as an unset variable of a script
		return 0, blame.Usagef("-%s has an empty value; leave the flag out, or give one", name)
	}
	if _, many := f.Value.(interface{ repeatable() }); c.set[name] && !many {
		return 0, blame.Usagef("-%s is given twice, and takes one value", name)
	}
	c.set[name] = true
	if err := set.Parse(args[:n]); err != nil {
		return 0, &blame.UsageError{Err: err}
	}
	return n, nil
}

// IsBool reports whether a flag takes no value.
func IsBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}
