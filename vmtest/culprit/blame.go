// SPDX-License-Identifier: BSD-3-Clause

package culprit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/vmtest/history"
)

// changes says which inputs differ between two nights. The order is that in which they are
// likely to break a test.
func changes(from, to history.Inputs) []history.Change {
	var all []history.Change
	add := func(what, from, to string) {
		if from != to {
			all = append(all, history.Change{What: what, From: from, To: to})
		}
	}
	all = append(all, patchChanges(from.Patches, to.Patches)...)
	switch {
	case from.Commit != "" && to.Commit != "":
		add("base", from.Commit, to.Commit)
	case from.Package != "" && to.Package != "":
		add("base", from.Package, to.Package)
	default:
		add("base", from.Base, to.Base)
	}
	add("config", short(from.Config), short(to.Config))
	add("project", from.Project, to.Project)
	if from.Project == to.Project {
		add("tests", short(from.Tests), short(to.Tests))
	}
	add("toolchain", from.Toolchain, to.Toolchain)
	add("QEMU", from.QEMU, to.QEMU)
	return all
}

func patchChanges(from, to []history.Digest) []history.Change {
	var all []history.Change
	digest := func(list []history.Digest, name string) string {
		for _, p := range list {
			if p.Name == name {
				return p.SHA256
			}
		}
		return ""
	}
	for _, p := range to {
		if old := digest(from, p.Name); old != p.SHA256 {
			all = append(all, history.Change{What: "patch " + p.Name, From: short(old), To: short(p.SHA256)})
		}
	}
	for _, p := range from {
		if digest(to, p.Name) == "" {
			all = append(all, history.Change{What: "patch " + p.Name, From: short(p.SHA256)})
		}
	}
	return all
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// sameKernel says that the kernels of two nights are made of the same.
func sameKernel(a, b history.Inputs) bool { return len(parts(a, b)) == 0 }

// part is a part of a kernel that an attempt can replace by an older one.
type part int

const (
	thePatches part = iota
	theBase
	theConfig
)

var partNames = [...]string{thePatches: "patches", theBase: "base", theConfig: "config"}

// parts returns the parts of the kernels of two nights that differ.
func parts(a, b history.Inputs) []part {
	var all []part
	if !slices.Equal(a.Patches, b.Patches) {
		all = append(all, thePatches)
	}
	if a.Base != b.Base || a.Package != b.Package || a.Commit != b.Commit {
		all = append(all, theBase)
	}
	if a.Config != b.Config {
		all = append(all, theConfig)
	}
	return all
}

// replaced returns a with one part of b.
func replaced(a, b history.Inputs, p part) history.Inputs {
	switch p {
	case thePatches:
		a.Patches = b.Patches
	case theBase:
		a.Base, a.Package, a.Tree, a.Commit = b.Base, b.Package, b.Tree, b.Commit
	case theConfig:
		a.Config = b.Config
	}
	return a
}

// blame looks for what broke a subject that failed in all tries.
func (h *hunt) blame(ctx context.Context, f *history.Finding) error {
	good, bad := h.good.Inputs, h.bad.Inputs
	changed := parts(good, bad)
	tried := fmt.Sprintf("%d of %d fail with it, %d of %d without", f.Here.Failed, f.Here.N, f.There.Failed, f.There.N)
	switch {
	case h.cell.Command, len(changed) == 0, f.There.Failed > 0:
		return h.blameOthers(ctx, f)
	case !h.remakes():
		f.Why = "the base of " + f.LastGood + " was not committed, so that its kernel cannot be made again; compare what is listed as changed"
		return nil
	case len(changed) == 1:
		return h.blamePart(ctx, f, changed[0], good, tried)
	}
	for _, p := range changed { // the last good kernel with one part of the first bad
		c, err := h.attempt(ctx, h.with(replaced(good, bad, p), bad))
		if err != nil {
			return err
		}
		if c.Outcome(f.Test) == history.Bad {
			return h.blamePart(ctx, f, p, good, fmt.Sprintf("%s, and it fails with no other change than that of the %s", tried, partNames[p]))
		}
	}
	var names []string
	for _, p := range changed {
		names = append(names, partNames[p])
	}
	f.Culprit = strings.Join(names, " and ") + " together"
	f.Evidence = tried + "; none of them breaks it alone"
	return nil
}

// blamePart looks into a part of the kernel that broke a subject.
func (h *hunt) blamePart(ctx context.Context, f *history.Finding, p part, good history.Inputs, tried string) error {
	bad := h.bad.Inputs
	f.Evidence = tried
	switch {
	case p == thePatches:
		return h.blamePatch(ctx, f)
	case p == theConfig:
		f.Culprit = "the configuration: " + h.options(good.Config, bad.Config)
	case good.Commit != "" && bad.Commit != "":
		return h.blameCommit(ctx, f)
	case good.Package != "" && bad.Package != "":
		f.Culprit = fmt.Sprintf("the base: %s, after %s", bad.Package, good.Package)
		f.Introduced = "v" + version(good.Base) + "..v" + version(bad.Base)
	default:
		f.Culprit = fmt.Sprintf("the base: %s, after %s", bad.Base, good.Base)
	}
	return nil
}

// version is the first word of a base, such as "6.12.117".
func version(base string) string {
	v, _, _ := strings.Cut(base, " ")
	return v
}

// options says which lines of two configurations differ, three at most.
func (h *hunt) options(from, to string) string {
	read := func(digest string) []string {
		text, err := os.ReadFile(h.Kept(digest))
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	var all []string
	before, after := read(from), read(to)
	for _, line := range after {
		if !slices.Contains(before, line) {
			all = append(all, "+"+line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			all = append(all, "-"+line)
		}
	}
	if len(all) > 3 {
		all = append(all[:3], fmt.Sprintf("and %d more", len(all)-3))
	}
	return strings.Join(all, ", ")
}

// blamePatch walks over the series: it puts the new patches in the place of the old ones, one
// after the other, until the test fails.
func (h *hunt) blamePatch(ctx context.Context, f *history.Finding) error {
	good, bad := h.good.Inputs, h.bad.Inputs
	changed := patchChanges(good.Patches, bad.Patches)
	if len(changed) == 1 {
		f.Culprit = changed[0].What
		return nil
	}
	skipped := ""
	for k := 1; k < len(bad.Patches); k++ {
		name := bad.Patches[k-1].Name
		if slices.Contains(good.Patches, bad.Patches[k-1]) || f.Good != "" && name <= f.Good {
			continue // it is as it was, or was tried a night before
		}
		mixed := good
		mixed.Patches = mix(good.Patches, bad.Patches, k)
		c, err := h.attempt(ctx, h.with(mixed, bad))
		if err != nil {
			return err
		}
		switch c.Outcome(f.Test) {
		case history.Bad:
			f.Culprit = "patch " + name + skipped
			f.Evidence += "; the series passes up to the patch before it"
			return nil
		case history.Good:
			f.Good, skipped = name, ""
		default:
			skipped = fmt.Sprintf(", or one before it: the series does not build with %s alone", name)
		}
	}
	last := changed[len(changed)-1].What
	if n := len(bad.Patches); n > 0 && !slices.Contains(good.Patches, bad.Patches[n-1]) {
		last = "patch " + bad.Patches[n-1].Name
	}
	f.Culprit = last + skipped
	f.Evidence += "; the series passes up to the patch before it"
	return nil
}

// mix returns the first k new patches, and the old ones that have no new one of their name
// among these.
func mix(old, new []history.Digest, k int) []history.Digest {
	all := slices.Clone(new[:k])
	for _, p := range old {
		if !slices.ContainsFunc(new[:k], func(q history.Digest) bool { return q.Name == p.Name }) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b history.Digest) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// blameCommit bisects the base.
func (h *hunt) blameCommit(ctx context.Context, f *history.Finding) error {
	clone, err := h.scratch("base")
	if err != nil {
		return err
	}
	b := bisection{repo: h.bad.Inputs.Tree, clone: clone, good: h.good.Inputs.Commit, bad: h.bad.Inputs.Commit}
	found, err := b.run(ctx, func(ctx context.Context) (history.Outcome, error) {
		a := h.with(h.good.Inputs, h.bad.Inputs)
		a.Commit, a.Tree = "", clone
		c, err := h.attempt(ctx, a)
		return c.Outcome(f.Test), err
	})
	f.Good, f.Bad = found.good, found.bad
	if err != nil {
		return err
	}
	f.Culprit, f.Introduced = "the base: "+found.String(), found.Introduced()
	f.Evidence += fmt.Sprintf("; bisected %s..%s", short(b.good), short(b.bad))
	return nil
}

// blameOthers looks for what is not in the kernel: our tests, the toolchain, QEMU.
func (h *hunt) blameOthers(ctx context.Context, f *history.Finding) error {
	good, bad := h.good.Inputs, h.bad.Inputs
	same := "the kernel is the same"
	if f.There.N > 0 {
		same = fmt.Sprintf("%d of %d fail on the last good kernel, too", f.There.Failed, f.There.N)
	}
	if good.Project != "" && bad.Project != "" && good.Project != bad.Project && h.Project != "" {
		done, err := h.blameTests(ctx, f, same)
		if done || err != nil {
			return err
		}
		same += "; and with the tests of the last good night"
	}
	var left []string
	for _, c := range f.Changed {
		if c.What == "toolchain" || c.What == "QEMU" || c.What == "tests" {
			left = append(left, fmt.Sprintf("%s: %s, after %s", c.What, c.To, c.From))
		}
	}
	if left == nil {
		f.Why = same + ", and no input differs: it is the host, or it fails more rarely than was tried"
		return nil
	}
	f.Culprit, f.Evidence = strings.Join(left, " or "), same+", and nothing else differs"
	return nil
}

// blameTests bisects the commits of this project. It returns false if the tests of the last
// good night fail as well.
func (h *hunt) blameTests(ctx context.Context, f *history.Finding, same string) (done bool, err error) {
	clone, err := h.scratch("project")
	if err != nil {
		return false, err
	}
	b := bisection{repo: h.Project, clone: clone, good: h.good.Inputs.Project, bad: h.bad.Inputs.Project, proveGood: true}
	found, err := b.run(ctx, func(ctx context.Context) (history.Outcome, error) {
		a := h.with(h.bad.Inputs, h.bad.Inputs)
		a.Project = clone
		c, err := h.attempt(ctx, a)
		return c.Outcome(f.Test), err
	})
	f.Good, f.Bad = found.good, found.bad
	if err != nil || found.badGood {
		return false, err
	}
	f.Culprit = "our tests: " + found.String()
	f.Evidence = fmt.Sprintf("%s; bisected %s..%s of %s", same, short(b.good), short(b.bad), filepath.Base(h.Project))
	return true, nil
}
