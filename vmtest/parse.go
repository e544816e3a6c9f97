// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
)

// flagSet has the flags of a verb, which set f.
func (v verb) flagSet(f *flags) *flag.FlagSet {
	set := flag.NewFlagSet("vmtest "+v.name, flag.ContinueOnError)
	set.SetOutput(io.Discard) // who is told of a mistake, and how, is said in one place
	set.Usage = func() {}
	for _, register := range v.register {
		register(f, set)
	}
	return set
}

// help prints what a verb is for, and its flags.
func (v verb) help(w io.Writer) {
	set := v.flagSet(new(flags))
	fmt.Fprintf(w, "usage: vmtest %s\n\n%s.\n", strings.TrimSpace(v.name+" [flags] "+v.args), v.about)
	if len(v.register) > 0 {
		fmt.Fprintln(w)
	}
	set.SetOutput(w)
	set.PrintDefaults()
}

// parse reads the arguments of a verb. Flags may stand before, between and behind
// names, up to a "--". It fails with flag.ErrHelp if help is asked for.
func (a *app) parse(v verb, args []string) (names []string, err error) {
	set := v.flagSet(&a.flags)
	a.flags.set = make(map[string]bool)
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return append(names, args[1:]...), nil
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			names, args = append(names, arg), args[1:]
			continue
		}
		n, err := a.parseFlag(set, v, args)
		if err != nil {
			return nil, err
		}
		a.given, args = append(a.given, args[:n]...), args[n:]
	}
	return names, nil
}

// parseFlag reads the flag that the arguments begin with, and says how many of them
// it takes.
func (a *app) parseFlag(set *flag.FlagSet, v verb, args []string) (n int, err error) {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(args[0][1:], "-"), "=")
	f := set.Lookup(name)
	switch {
	case f == nil && (name == "h" || name == "help"):
		return 0, flag.ErrHelp
	case f == nil:
		return 0, v.unknownFlag(set, name)
	case isBool(f) || hasValue:
		n = 1
	case len(args) == 1:
		return 0, blame.Usagef("-%s needs a value; \"vmtest %s -h\" says which", name, v.name)
	default:
		n, value = 2, args[1]
	}
	if value == "" && !(isBool(f) && !hasValue) { // such as an unset variable of a script
		return 0, blame.Usagef("-%s has an empty value; leave the flag out, or give one", name)
	}
	if _, many := f.Value.(interface{ repeatable() }); a.set[name] && !many {
		return 0, blame.Usagef("-%s is given twice, and takes one value", name)
	}
	a.set[name] = true
	if err := set.Parse(args[:n]); err != nil {
		return 0, &blame.UsageError{Err: err}
	}
	return n, nil
}

// unknownFlag names the flag that may have been meant, or a verb that has it.
func (v verb) unknownFlag(set *flag.FlagSet, name string) error {
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
	near := didYouMean("-"+name, known)
	if others := verbsWith(name); near == "" && others != nil {
		near = fmt.Sprintf(", but \"vmtest %s\" has it.", others[0])
	}
	if near == "" {
		near = ";"
	}
	return blame.Usagef("there is no flag -%s%s \"vmtest %s -h\" lists the flags", name, near, v.name)
}

// verbsWith are the verbs that have a flag.
func verbsWith(name string) (all []string) {
	for _, v := range verbs() {
		if v.flagSet(new(flags)).Lookup(name) != nil {
			all = append(all, v.name)
		}
	}
	return all
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// verbOf finds the verb that the arguments begin with, and what is left of them.
func verbOf(args []string) (v verb, rest []string, ok bool) {
	for _, v := range verbs() {
		if rest, ok := v.called(args); ok {
			return v, rest, true
		}
	}
	return verb{}, nil, false
}

// unknownVerb says what may have been meant instead of the first arguments.
func unknownVerb(args []string) error {
	words := strings.Join(args[:min(2, len(args))], " ")
	var one, all []string
	for _, v := range verbs() {
		all = append(all, v.name)
		if first, _, _ := strings.Cut(v.name, " "); !slices.Contains(one, first) {
			one = append(one, first)
		}
	}
	near := nearest.Word(words, all)
	if i := slices.IndexFunc(all, func(name string) bool { return strings.HasSuffix(name, " "+args[0]) }); i >= 0 {
		near = all[i]
	}
	if near == "" {
		near = nearest.Word(args[0], one)
	}
	if near == "" || near == args[0] {
		return blame.Usagef("there is no verb %q; \"vmtest -h\" lists the verbs", words)
	}
	return blame.Usagef("there is no verb %q; did you mean %s? \"vmtest -h\" lists the verbs", words, near)
}
