// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/store"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/thread"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/vm"
)

// setKeys sets the keys of all cells that are not asleep: what each is made of, as far as it is
// known before the cell runs. No key has a path in it, which may differ between machines.
func (a *app) setKeys(ctx context.Context, all []nightly.Cell) error {
	common, err := a.commonKeys(ctx)
	if err != nil {
		return err
	}
	patches := make(map[string]string) // by series
	for i, c := range all {
		if c.Asleep {
			continue
		}
		keys := map[string]string{}
		for name, value := range common {
			keys[name] = value
		}
		all[i].Keys = keys
		if c.Command != nil {
			words := c.Command
			if c.Changed { // the path of the series is at the end, behind that of the store
				words = words[:len(words)-1]
				if at := slices.Index(words, "-store"); at >= 0 {
					words = words[:at]
				}
				keys["patches"] = digestOf(c.Patches)
			}
			keys["command"] = shell.Quote(words...)
			continue
		}
		if c.Base != "" {
			keys["base"] = c.Base
		}
		keys["tests"] = shell.Quote(a.testFlags(c)...)
		if keys["config"], err = a.configKey(c); err != nil {
			return err
		}
		if c.Series == treeSeries && a.Source.Tree != "" {
			continue
		}
		if _, ok := patches[c.Series]; !ok {
			if patches[c.Series], err = a.seriesKey(ctx, c.Series); err != nil {
				return err
			}
		}
		keys["patches"] = patches[c.Series]
	}
	return nil
}

// digestOf returns the digest of named files.
func digestOf(files []history.Digest) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name, f.SHA256)
	}
	return short(cache.Digest(all...))
}

// short is a digest as a key has it.
func short(digest string) string { return digest[:12] }

// commonKeys returns the keys that all cells share.
func (a *app) commonKeys(ctx context.Context) (map[string]string, error) {
	keys := make(map[string]string)
	tools, err := kbuild.Tools(ctx, kbuild.MakeVars(a.MakeVars))
	if err != nil {
		return nil, err
	}
	keys["toolchain"] = strings.Join(tools, "; ")
	if a.MakeVars != nil {
		keys["make"] = shell.Quote(a.MakeVars...)
	}
	if keys["qemu"], err = vm.Version(ctx); err != nil {
		return nil, err
	}
	if project, err := a.projectKey(ctx); err != nil {
		return nil, err
	} else if project != "" {
		keys["project"] = project
	}
	if a.Source.Tree != "" {
		commit, changes, err := series.Local(ctx, a.Host.Report, a.Source.Tree)
		if err != nil {
			return nil, err
		}
		keys["tree"] = withChanges(commit, changes)
	}
	return keys, nil
}

// withChanges is a commit, with the digest of what is not committed.
func withChanges(commit string, changes []byte) string {
	if len(changes) == 0 {
		return commit
	}
	return commit + "+" + short(cache.Digest(string(changes)))
}

// projectKey returns the commit of the checkout and the digest of what is not committed; "" for an
// unpacked release. Of files that git does not track it has the names, in the folders of sources.
func (a *app) projectKey(ctx context.Context) (string, error) {
	root := a.Checkout.Root
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return "", nil
	}
	commit, err := sandbox.GitLine(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	changes, err := sandbox.Run(sandbox.Git(ctx, root, "--no-optional-locks", "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD"))
	if err != nil {
		return "", err
	}
	more, err := sandbox.Run(sandbox.Git(ctx, root, "ls-files", "--others", "--exclude-standard", "--", "initramfs", "internal", "kconfig", "kernel", "tests", "vmtest"))
	return withChanges(commit, slices.Concat(changes, more)), err
}

// configKey returns the digest of the options that a cell asks for.
func (a *app) configKey(c nightly.Cell) (string, error) {
	var more []string
	if c.Config != defaultConfig {
		more = []string{c.Config}
	}
	config, err := a.Checkout.Config(more...)
	if err != nil {
		return "", err
	}
	return short(cache.Digest(string(config.Bytes()))), nil
}

// seriesKey returns the digest of the patches of a series, of all its variants, and of what is
// expected of its tests.
func (a *app) seriesKey(ctx context.Context, name string) (string, error) {
	s, err := a.LoadOne(ctx, name)
	if err != nil {
		return "", err
	}
	patches, err := a.allPatches(ctx, name)
	if err != nil {
		return "", err
	}
	return short(cache.Digest(digestOf(patches), string(s.Expect), s.Design)), nil
}

// matrixFlags returns the flags that make the cells, as they can be given in the folder of another
// checkout. Paths in this checkout are relative to it.
func (a *app) matrixFlags() []string {
	var all []string
	add := func(name string, values ...string) {
		if a.Has(name) {
			for _, v := range values {
				all = append(all, "-"+name, v)
			}
		}
	}
	add("series", each(a.Series, a.placeSeries)...)
	add("base", strings.Join(a.Bases, ","))
	add("tree", a.place(a.Source.Tree))
	add("config", each(a.Configs, a.placeConfig)...)
	add("make", a.MakeVars...)
	add("lane", a.Lane)
	add("long", a.Long.String())
	add("commands", a.place(a.nights.commands))
	add("sandbox", a.Sandbox)
	add("sandbox-limits", a.Limits)
	add("store", a.placeStore())
	add("cache-size", strconv.FormatUint(uint64(a.cacheSize), 10))
	add("tests", a.Tests...)
	add("design", a.Design)
	add("run", a.Run)
	add("timeout", a.Timeout.String())
	add("accel", a.Accel)
	return all
}

// endFlags returns the flags of what comes behind the cells.
func (a *app) endFlags() []string {
	var all []string
	for _, f := range []struct{ name, value string }{
		{"search", a.nights.search.String()}, {"tries", strconv.Itoa(a.nights.tries)}, {"keep", strconv.Itoa(a.nights.keep)}, {"notify", a.nights.notify},
	} {
		if a.Has(f.name) {
			all = append(all, "-"+f.name, f.value)
		}
	}
	return all
}

func each(all []string, of func(string) string) []string {
	made := make([]string, len(all))
	for i, one := range all {
		made[i] = of(one)
	}
	return made
}

// program is what runs a cell: this program, by the word that called it if it is on PATH.
func (a *app) program() string {
	if !strings.ContainsRune(os.Args[0], filepath.Separator) {
		return os.Args[0]
	}
	return a.place(os.Args[0])
}

// place is a path that holds in the folder of the checkout: relative to it if it is within, and
// else absolute. It has a slash, so that it is not taken for a name.
func (a *app) place(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(a.Checkout.Root, abs)
	switch {
	case err != nil || !filepath.IsLocal(rel):
		return abs
	case !strings.ContainsRune(rel, filepath.Separator):
		return "." + string(filepath.Separator) + rel
	}
	return rel
}

// placeSeries is a series, which may be the name of one or a path.
func (a *app) placeSeries(which string) string {
	isPath := strings.ContainsRune(which, filepath.Separator) || series.IsPatchFile(which) || thread.IsMailbox(which)
	if _, err := os.Lstat(which); err != nil || !isPath { // NAME/RELEASE is a variant
		return which
	}
	return a.place(which)
}

// placeStore is where the store is.
func (a *app) placeStore() string {
	if where := a.StoreAt(); where != "" && !store.IsAddress(where) {
		return a.place(where)
	}
	return a.StoreAt()
}

// placeConfig is a fragment, which may be the name of one or a path.
func (a *app) placeConfig(which string) string {
	if strings.ContainsAny(which, "/.") {
		return a.place(which)
	}
	return which
}
