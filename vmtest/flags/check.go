// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// checkSuite refuses a folder without tests.
func checkSuite(root, dir string) error {
	if filepath.IsLocal(dir) {
		found, err := filepath.Glob(filepath.Join(pathPattern.Replace(root), pathPattern.Replace(strings.TrimSuffix(dir, wire.I386)), "*_test.go"))
		if err != nil || len(found) > 0 {
			return err
		}
	}
	known := Suites(root)
	return blame.Usagef("-tests %s is no folder with tests; there are %s%s", dir, strings.Join(known, ", "), nearest.DidYouMean(dir, known))
}

// pathPattern makes a pattern that matches a path alone.
var pathPattern = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`)

// Suites are the folders of test packages.
func Suites(root string) []string {
	found, err := fs.Glob(os.DirFS(root), "tests/*/*_test.go")
	if err != nil { // of the pattern, which is right
		return nil
	}
	var all []string
	for _, path := range found {
		if dir := filepath.Dir(path); !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

// CheckBases refuses names of bases that are unknown, given twice, or given beside -tree or
// -tarball. The source is that of the first. It may be called again with other bases.
func (c *Command) CheckBases() error {
	c.baseSpecs = nil
	for i, name := range c.Bases {
		if c.Source.Tree != "" || c.Source.URL != "" {
			return blame.Usagef("-base %s: the base is given by -tree or -tarball already", name)
		}
		if slices.Contains(c.Bases[:i], name) {
			return blame.Usagef("-base %s is given twice", name)
		}
		spec, err := source.Named(name)
		if err != nil {
			return err
		}
		c.baseSpecs = append(c.baseSpecs, spec)
	}
	if len(c.baseSpecs) > 0 {
		c.Source = c.baseSpecs[0]
	}
	return nil
}

// checkPrebuilt finds the tree of a kernel that the user has built. It refuses flags that
// would ask for another kernel.
func (c *Command) checkPrebuilt() error {
	if c.prebuilt == "" {
		return nil
	}
	for _, name := range []string{"series", "patch", "range", "base", "tarball", "make", "config-base", "forget", "coverage"} {
		if c.set[name] {
			return blame.Usagef("-%s does not go with -build, which tests a kernel that is built already", name)
		}
	}
	dir, err := filepath.Abs(c.prebuilt)
	if err != nil {
		return err
	}
	c.prebuilt = dir
	if err := kernel.CheckPrebuilt(dir); err != nil || c.Source.Tree != "" {
		return err
	}
	c.Source.Tree, err = kernel.SourceOf(dir)
	return err
}

// Check completes and checks what was given. root is the module's folder.
func (c *Command) Check(root string) error {
	if len(c.Series) == 0 && c.Source.Tree == "" && c.prebuilt == "" {
		c.Series = List{DefaultSeries}
	}
	if c.Results == "" {
		c.Results = filepath.Join(root, "results")
	}
	for _, dir := range c.Tests {
		if err := checkSuite(root, dir); err != nil {
			return err
		}
	}
	if known := append(slices.Clone(wire.Designs), wire.NoDesign); c.Design != "" && !slices.Contains(known, c.Design) {
		return blame.Usagef("-design %s is none of %s", c.Design, strings.Join(known, ", "))
	}
	if c.Lane != "" && Lanes[c.Lane] == nil {
		return blame.Usagef("-lane %s is none of real, virtual, both", c.Lane)
	}
	if c.Accel != "" && !slices.Contains([]string{vm.Auto, vm.KVM, vm.TCG}, c.Accel) {
		return blame.Usagef("-accel %s is none of auto, kvm, tcg", c.Accel)
	}
	names, suspects := strings.CutPrefix(c.order, run.Suspected)
	if known := []string{run.Likely, run.Reached, run.BySource}; c.order != "" && !slices.Contains(known, c.order) && (!suspects || names == "") {
		return blame.Usagef("-order %s is none of %s; to suspect functions, type %sNAME,...", c.order, strings.Join(known, ", "), run.Suspected)
	}
	if c.Sandbox != "" && !slices.Contains([]string{"auto", "on", "off"}, c.Sandbox) {
		return blame.Usagef("-sandbox %s is none of auto, on, off", c.Sandbox)
	}
	var err error
	if c.Bounds, err = sandbox.ParseLimits(c.Limits); err != nil {
		return blame.Usagef("-sandbox-limits: %w", err)
	}
	if c.Limits != "" && c.Sandbox == "off" {
		return blame.Usagef("-sandbox-limits %s: without a sandbox nothing is bounded; leave out -sandbox off", c.Limits)
	}
	if c.Timeout < 0 || c.Timeout > 0 && c.Timeout < time.Second {
		return blame.Usagef("-timeout %v is below one second", c.Timeout)
	}
	if c.Long < 0 || c.Long > 0 && c.Long < time.Second {
		return blame.Usagef("-long %v is below one second", c.Long)
	}
	if c.set["long"] && c.Lane == wire.Real {
		return blame.Usagef("-long is of the lane virtual; leave it out with -lane real")
	}
	if c.Accel == vm.KVM && c.Lane == wire.Virtual {
		return blame.Usagef("-accel kvm is of the lane real; the lane virtual is always emulated")
	}
	if c.Commits != "" && (c.Source.Tree == "" || len(c.Series) > 0) {
		return blame.Usagef("-range goes with -tree, and without -series")
	}
	if err := c.openStore(); err != nil {
		return err
	}
	if err := c.checkGuest(); err != nil {
		return err
	}
	if err := c.checkPrebuilt(); err != nil {
		return err
	}
	if err := c.CheckBases(); err != nil {
		return err
	}
	if err := kbuild.MakeVars(c.MakeVars).Check(); err != nil {
		return err
	}
	if c.Source.SHA256 != "" && c.Source.URL == "" {
		return blame.Usagef("-sha256 goes with -tarball")
	}
	if c.Run != "" {
		re, err := regexp.Compile(c.Run)
		if err != nil {
			return blame.Usagef("-run: %w", err)
		}
		c.match = re
	}
	return nil
}
