// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// cells returns all cells that the flags and the checked-in list name.
func (a *app) cells(ctx context.Context) ([]nightly.Cell, error) {
	baseName := ""
	if tree := a.Source.Tree; tree != "" {
		abs, err := filepath.Abs(tree)
		if err != nil {
			return nil, err
		}
		baseName = cmp.Or(strings.TrimLeft(filepath.Base(abs), "."), treeSeries) // hidden folders of a night are not cells
		if _, err := sandbox.GitLine(ctx, tree, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
			return nil, blame.Usagef("-tree %s is no git tree with commits: a night names what changed by its commits", tree)
		}
	}
	names, err := a.nightlySeries()
	if err != nil {
		return nil, err
	}
	bases, configs := []string(a.Bases), []string(a.Configs)
	if a.Source.Tree != "" {
		bases = []string{""}
	} else if len(bases) == 0 {
		bases = nightlyBases
	}
	if len(configs) == 0 {
		configs = nightlyConfigs
	}
	all := nightly.Matrix(bases, names, configs, flags.Lanes[a.Lane])
	for i, c := range all {
		if c.Base == "" {
			c.Base = baseName
		}
		all[i].Name = strings.Join([]string{c.Base, stem(c.Series), stem(c.Config), c.Lane}, "/")
		all[i].Needs.KVM = a.Accel == vm.KVM && c.Lane == wire.Real
	}
	presubmits, err := a.presubmitCells(ctx, names, bases)
	if err != nil {
		return nil, err
	}
	commands, err := a.commandCells()
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, presubmits, commands)
	match := regexp.MustCompile(a.nights.cells) // checkNights compiled it
	awake := 0
	for i, c := range all {
		all[i].Needs.Cores = cellCores
		if all[i].Asleep = !match.MatchString(c.Name); !all[i].Asleep {
			awake++
		}
	}
	if awake == 0 {
		return nil, blame.Usagef("-cells %s matches none of %d cells, the first of which is %s", a.nights.cells, len(all), all[0].Name)
	}
	return all, nil
}

// cellCores is how many cores a cell needs: as many as the guest of the lane real has CPUs.
const cellCores = 2

// commandCells returns the cells that run the commands of a file.
func (a *app) commandCells() ([]nightly.Cell, error) {
	path := a.nights.commands
	if path == "" {
		path = filepath.Join(a.Checkout.Root, "vmtest", "nightly", "cells")
	}
	all, err := nightly.ReadCommands(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blame.Usagef("-commands %s: %s", path, nearest.NoSuchPath(path))
	}
	return all, err
}

// stem is a name, or the last part of a path without its ending.
func stem(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// treeSeries is the name of the series of a tree alone.
const treeSeries = "tree"

// nightlySeries returns the series of the night.
func (a *app) nightlySeries() ([]string, error) {
	switch {
	case a.Has("series"):
		return a.Series, nil
	case a.Source.Tree != "":
		return []string{treeSeries}, nil
	}
	return series.Names(a.Checkout.Patches())
}

// presubmitCells returns a cell for each base and each series with patches, which runs in the
// nights in which the series has changed.
func (a *app) presubmitCells(ctx context.Context, names, bases []string) ([]nightly.Cell, error) {
	if a.Source.Tree != "" {
		return nil, nil
	}
	var all []nightly.Cell
	for _, name := range names {
		patches, err := a.allPatches(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(patches) == 0 {
			continue
		}
		for _, base := range bases {
			c := nightly.Cell{Name: strings.Join([]string{"presubmit", base, stem(name)}, "/"), Changed: true, Patches: patches,
				Command: []string{"bin/vmtest", "presubmit", "-keep-going", "-base", base, "-sandbox", a.Sandbox, "-accel", a.Accel, "-results", nightly.FolderWord}}
			for _, v := range a.MakeVars {
				c.Command = append(c.Command, "-make", v)
			}
			if a.Has("store") {
				c.Command = append(c.Command, "-store", a.placeStore())
			}
			c.Command = append(c.Command, name)
			all = append(all, c)
		}
	}
	return all, nil
}

// allPatches returns the digests of the patches of a series, of all its variants: which of them
// a base takes is only known when the base is there.
func (a *app) allPatches(ctx context.Context, name string) ([]history.Digest, error) {
	s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), name)
	if err != nil {
		return nil, err
	}
	var all []history.Digest
	for _, p := range s.Patches {
		all = append(all, nightly.DigestOf(p.Name, p.Text))
	}
	for _, v := range s.Variants {
		if v.Folder == s.Folder {
			continue
		}
		variant, err := v.Load(ctx, a.Host.Sandbox)
		if err != nil {
			return nil, err
		}
		for _, p := range variant.Patches {
			all = append(all, nightly.DigestOf(filepath.Join(v.Release, p.Name), p.Text))
		}
	}
	return all, nil
}

// cellRequest returns the request of a cell as it is tonight.
func (a *app) cellRequest(ctx context.Context, c nightly.Cell) (run.Request, error) {
	one := *a
	one.Lane, one.Series, one.Bases, one.Configs = c.Lane, flags.List{c.Series}, flags.List{c.Base}, flags.Paths{c.Config}
	if a.Source.Tree != "" {
		one.Bases = nil
	}
	if c.Series == treeSeries && a.Source.Tree != "" {
		one.Series = nil
	}
	if c.Config == defaultConfig {
		one.Configs = nil
	}
	if err := one.CheckBases(); err != nil {
		return run.Request{}, err
	}
	return one.OneRequest(ctx)
}

// cellFlags returns the flags of "vmtest run" that make the request of a cell.
func (a *app) cellFlags(c nightly.Cell) []string {
	var all []string
	if a.Source.Tree != "" {
		all = append(all, "-tree", a.Source.Tree)
	} else {
		all = append(all, "-base", c.Base)
	}
	if c.Series != treeSeries {
		all = append(all, "-series", c.Series)
	}
	if c.Config != defaultConfig {
		all = append(all, "-config", c.Config)
	}
	all = append(all, "-sandbox", a.Sandbox)
	if a.Limits != "" {
		all = append(all, "-sandbox-limits", a.Limits)
	}
	for _, v := range a.MakeVars {
		all = append(all, "-make", v)
	}
	return append(all, a.testFlags(c)...)
}

// testFlags returns those of cellFlags that say which tests run, and how.
func (a *app) testFlags(c nightly.Cell) []string {
	all := []string{"-lane", c.Lane}
	if c.Lane == wire.Virtual {
		all = append(all, "-long", a.Long.String())
	} else {
		all = append(all, "-accel", a.Accel)
	}
	for _, t := range a.Tests {
		all = append(all, "-tests", t)
	}
	if a.Design != "" {
		all = append(all, "-design", a.Design)
	}
	if a.Run != "" {
		all = append(all, "-run", a.Run)
	}
	return append(all, "-timeout", a.Timeout.String())
}
