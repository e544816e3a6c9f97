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

// flagSet has the flags of a verb, which set a.
func (v verb) flagSet(a *app) *flag.FlagSet {
	set := flag.NewFlagSet("vmtest "+v.name, flag.ContinueOnError)
	set.SetOutput(io.Discard) // who is told of a mistake, and how, is said in one place
	set.Usage = func() {}
	for _, register := range v.register {
		register(a, set)
	}
	return set
}

// help prints what a verb is for, and its flags.
func (v verb) help(w io.Writer) {
	set := v.flagSet(new(app))
	fmt.Fprintf(w, "usage: vmtest %s\n\n%s.\n", strings.TrimSpace(v.name+" [flags] "+v.args), v.about)
	if len(v.register) > 0 {
		fmt.Fprintln(w)
	}
	set.SetOutput(w)
	set.PrintDefaults()
}

// parse reads the arguments of a verb.
func (a *app) parse(v verb, args []string) (names []string, err error) {
	set := v.flagSet(a)
	return a.Parse(set, args, func(name string) error { return v.unknownFlag(set, name) })
}

// unknownFlag names the flag that may have been meant, or a verb that has it.
func (v verb) unknownFlag(set *flag.FlagSet, name string) error {
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
	near := nearest.DidYouMean("-"+name, known)
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
		if v.flagSet(new(app)).Lookup(name) != nil {
			all = append(all, v.name)
		}
	}
	return all
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
