package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"timens-vmtest/kernel"
)

// confine returns the context in which series are applied and built: in a
// sandbox, unless -sandbox says otherwise.
func (a *app) confine(ctx context.Context) (context.Context, error) {
	if a.sandbox == "off" {
		return kernel.Unconfined(ctx), nil
	}
	err := kernel.TrySandbox(ctx)
	if _, none := errors.AsType[*kernel.SandboxError](err); !none {
		return ctx, err
	}
	if all := a.foreign(); a.sandbox == "on" || all != nil {
		who := "it"
		if all != nil {
			who = all[0]
		}
		return nil, fmt.Errorf("%w; pass -sandbox off if you trust %s with all that you may do", err, who)
	}
	a.progress.Step("no sandbox: %v", err)
	return kernel.Unconfined(ctx), nil
}

// foreign names what is built and is neither of this checkout nor the user's own
// tree.
func (a *app) foreign() []string {
	var all []string
	for _, s := range a.series {
		if a.isForeign(s) {
			all = append(all, "series "+s)
		}
	}
	for _, p := range a.patches {
		if a.isForeign(p) {
			all = append(all, "patch "+p)
		}
	}
	return all
}

// isForeign says that a series or patch is a mailbox, or a path that leads out of
// this checkout.
func (a *app) isForeign(which string) bool {
	if kernel.IsMailbox(which) {
		return true
	}
	dir, err := filepath.Abs(kernel.SeriesFolder(a.patchesDir(), which))
	if err != nil {
		return true
	}
	inside, err := filepath.Rel(a.root, dir)
	return err != nil || !filepath.IsLocal(inside)
}

// origin is a series' Foreign: the paths of what is others' work, and of a mailbox
// what it holds, as the next one may have the same name.
func (a *app) origin(which string, s kernel.Series) string {
	var all []string
	switch {
	case kernel.IsMailbox(which):
		for _, p := range s.Patches {
			all = append(all, string(p.Text))
		}
	case a.isForeign(which):
		all = append(all, which)
	}
	for _, p := range a.patches {
		if a.isForeign(p) {
			all = append(all, p)
		}
	}
	return strings.Join(all, "\n")
}
