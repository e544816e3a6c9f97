// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"flag"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/store"
	"timens-vmtest/kernel/series"
)

// RegisterStore registers -store.
func (c *Command) RegisterStore(set *flag.FlagSet) {
	set.StringVar(&c.storeAt, "store", "", "take kernels from the folder or the server `DIR|http://HOST/PATH` before they are built, and put those there that are made of this checkout's own series: see docs/scale.md")
}

// StoreAt returns where the store is, as it was typed.
func (c *Command) StoreAt() string { return c.storeAt }

// openStore opens the store. That does not ask it for anything.
func (c *Command) openStore() (err error) {
	if c.storeAt == "" {
		return nil
	}
	if c.Store, err = store.Open(c.storeAt); err != nil {
		return blame.Usagef("-store: %w", err)
	}
	return nil
}

// shares reports whether the kernels of a series may be put into the store. Nothing is put there
// that strangers had a hand in: the series is one of kernel/patches, and so are all its patches;
// the base has a digest; the configuration is of this checkout, and make is told nothing. Whoever
// says -sandbox on does not trust the series himself.
func (c *Command) shares(s series.Series) bool {
	for _, name := range []string{"patch", "tree", "range", "make", "build", "config-base"} {
		if c.set[name] {
			return false
		}
	}
	for _, fragment := range c.Configs {
		if strings.ContainsAny(fragment, "/.") { // a path, see run.Checkout.Config
			return false
		}
	}
	return s.Foreign == "" && !s.InTree && c.Sandbox != "on" && c.holds(s.Folder)
}

// holds reports whether the folder of a series lies in kernel/patches, whatever links lead to it.
func (c *Command) holds(folder string) bool {
	resolved := func(path string) (string, bool) {
		path, err := filepath.Abs(path)
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		return path, err == nil
	}
	of, ok := resolved(folder)
	patches, all := resolved(c.Checkout.Patches())
	return folder != "" && ok && all && of != patches && host.Below(of, patches)
}
