// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/thread"
)

// Confine sets in c.Host how series are applied and built: in a sandbox, unless -sandbox
// says otherwise, and within the bounds of -sandbox-limits.
func (c *Command) Confine(ctx context.Context) error {
	c.Host.Sandbox = sandbox.Box{Off: c.Sandbox == "off", Limits: c.Bounds}
	if c.Host.Sandbox.Off || c.Sandbox == "" { // a verb without the flag runs nothing of a series
		return nil
	}
	err := sandbox.Try(ctx)
	if _, none := errors.AsType[*sandbox.Error](err); !none {
		return err
	}
	if all := c.foreign(); c.Sandbox == "on" || all != nil {
		who := "it"
		if all != nil {
			who = all[0]
		}
		return fmt.Errorf("%w; pass -sandbox off if you trust %s with all that you may do", err, who)
	}
	c.Host.Report.Step("no sandbox: %v", err)
	c.Host.Sandbox.Off = true
	return nil
}

// foreign names what is built and is neither of this checkout nor the user's own
// tree.
func (c *Command) foreign() []string {
	var all []string
	for _, s := range c.Series {
		if c.isForeign(s) {
			all = append(all, "series "+s)
		}
	}
	for _, p := range c.patches {
		if c.isOutside(p) {
			all = append(all, "patch "+p)
		}
	}
	return all
}

// isForeign says that a series is a mailbox, or a folder outside of this checkout.
func (c *Command) isForeign(which string) bool {
	return thread.IsMailbox(which) || c.isOutside(series.Folder(c.Checkout.Patches(), which))
}

// isOutside says that a path does not lead into this checkout.
func (c *Command) isOutside(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	inside, err := filepath.Rel(c.Checkout.Root, path)
	return err != nil || !filepath.IsLocal(inside)
}

// origin is a series' Foreign: the paths of what is others' work, and of a mailbox
// what it holds, as the next one may have the same name.
func (c *Command) origin(which string, s series.Series) (string, error) {
	var all, paths []string
	switch {
	case thread.IsMailbox(which):
		for _, p := range s.Patches {
			all = append(all, string(p.Text))
		}
	case c.isForeign(which):
		paths = append(paths, which)
	}
	for _, p := range c.patches {
		if c.isOutside(p) {
			paths = append(paths, p)
		}
	}
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		all = append(all, path)
	}
	return strings.Join(all, "\n"), nil
}
