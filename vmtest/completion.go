// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/run"
)

// bashCompletion asks this program for the words that fit.
//
//go:embed completion.bash
var bashCompletion string

// completionVerb prints the script for a shell, or answers its question: what fits
// the last of the words behind "words", which may be empty.
func completionVerb(ctx context.Context, _ *app, args []string) (int, error) {
	switch {
	case len(args) == 1 && args[0] == "bash":
		fmt.Print(bashCompletion)
		return 0, nil
	case len(args) > 1 && args[0] == "words":
		for _, word := range complete(ctx, args[1:]) {
			fmt.Println(word)
		}
		return 0, nil
	}
	return 0, blame.Usagef("there is a completion for bash; put this line into ~/.bashrc: source <(%s)", shell.Quote(os.Args[0], "completion", "bash"))
}

// complete returns what can stand instead of the last of the words behind "vmtest".
// Nothing means the path of a file.
func complete(ctx context.Context, words []string) []string {
	before, last := words[:len(words)-1], words[len(words)-1]
	// Bash takes "-lane=real" for three words.
	before = slices.DeleteFunc(slices.Clone(before), func(w string) bool { return w == "=" })
	if last == "=" {
		last = ""
	}
	v, rest, ok := verbOf(before)
	if !ok {
		return beginning(verbWords(before), last)
	}
	set := v.flagSet(new(app))
	if len(rest) > 0 {
		name := strings.TrimLeft(rest[len(rest)-1], "-")
		if f := set.Lookup(name); f != nil && strings.HasPrefix(rest[len(rest)-1], "-") && !flags.IsBool(f) {
			return values(ctx, f, last)
		}
	}
	if strings.HasPrefix(last, "-") {
		var all []string
		set.VisitAll(func(f *flag.Flag) { all = append(all, "-"+f.Name) })
		return beginning(all, last)
	}
	switch {
	case v.name == "completion":
		return beginning([]string{"bash"}, last)
	case strings.Contains(v.args, "SERIES"), strings.HasPrefix(v.args, "NAME") && len(positional(set, rest)) == 0 && v.name != "series new":
		return beginning(seriesNames(), last)
	}
	return nil
}

// positional are the words that are neither flags nor their values.
func positional(set *flag.FlagSet, words []string) (all []string) {
	for i := 0; i < len(words); i++ {
		if !strings.HasPrefix(words[i], "-") {
			all = append(all, words[i])
			continue
		}
		if f := set.Lookup(strings.TrimLeft(words[i], "-")); f != nil && !flags.IsBool(f) {
			i++
		}
	}
	return all
}

// verbWords are the words that can follow those before them in the name of a verb.
func verbWords(before []string) (all []string) {
	for _, v := range verbs() {
		name := strings.Fields(v.name)
		if len(name) > len(before) && slices.Equal(name[:len(before)], before) && !slices.Contains(all, name[len(before)]) {
			all = append(all, name[len(before)])
		}
	}
	return all
}

// values are those of a flag that begin like the word. A flag that takes several by
// commas has the last of them completed.
func values(ctx context.Context, f *flag.Flag, word string) []string {
	known := knownValues(f)
	if _, list := f.Value.(*flags.List); list {
		if at := strings.LastIndexByte(word, ','); at >= 0 {
			for i := range known {
				known[i] = word[:at+1] + known[i]
			}
		}
	}
	return beginning(known, word)
}

// knownValues are those that can be listed. What its help writes as a choice, such as
// "auto|on|off", or as "form,applies", is one.
func knownValues(f *flag.Flag) []string {
	root, err := moduleRoot()
	if err != nil {
		root = ""
	}
	switch f.Name {
	case "series":
		return seriesNames()
	case "design":
		return append(slices.Clone(wire.Designs), wire.NoDesign)
	case "tests":
		return flags.Suites(root)
	case "config":
		found, err := fs.Glob(os.DirFS(root+"/kconfig"), "*.config")
		if err != nil {
			return nil
		}
		for i := range found {
			found[i] = strings.TrimSuffix(found[i], ".config")
		}
		return found
	}
	choice, _ := flag.UnquoteUsage(f)
	for _, sep := range []string{"|", ","} {
		if strings.Contains(choice, sep) { // capitals stand for what the user knows, such as a number
			return slices.DeleteFunc(strings.Split(choice, sep), func(w string) bool { return w != strings.ToLower(w) })
		}
	}
	return nil
}

// seriesNames are those of the checkout, and of their variants; none outside of one.
func seriesNames() []string {
	root, err := moduleRoot()
	if err != nil {
		return nil
	}
	patches := run.Checkout{Root: root}.Patches()
	names, err := series.Names(patches)
	if err != nil {
		return nil
	}
	var all []string
	for _, name := range names {
		all = append(all, name)
		variants, err := series.Variants(series.Folder(patches, name))
		if err != nil {
			continue // its name is enough
		}
		for _, release := range series.Releases(variants) {
			all = append(all, name+"/"+release)
		}
	}
	return all
}

func beginning(all []string, with string) []string {
	return slices.DeleteFunc(all, func(w string) bool { return !strings.HasPrefix(w, with) })
}
