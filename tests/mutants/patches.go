// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// patched is a mutant, and its patch on top of its series.
type patched struct {
	mutant
	patch []byte
	tree  tree // of the series
}

// makePatches turns every mutant into a patch, and returns results for those that have
// no counterpart on the base. The error lists all mutants that do not apply, and those
// that do although the list says otherwise. It is an error if no mutant is left.
func makePatches(ctx context.Context, h host.Host, spec source.Spec, all []mutant) ([]patched, []result, error) {
	base, err := spec.Fetch(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	trees, err := readTrees(ctx, h, base, all)
	if err != nil {
		return nil, nil, err
	}
	var patches []patched
	var apart []result
	var errs []error
	for _, m := range all {
		tree := trees[m.series]
		why, lacks := m.none[source.ReleaseOf(base.Version)]
		if tree.misfit != "" {
			why, lacks = tree.misfit, true
		}
		p, err := m.patch(tree.texts)
		switch {
		case lacks && err == nil:
			errs = append(errs, fmt.Errorf("%v applies to linux-%s; its list says that it has no counterpart there: %s", m, base.Version, why))
		case lacks:
			apart = append(apart, result{mutant: m, apart: why})
		case err != nil:
			errs = append(errs, fmt.Errorf("%v does not apply to linux-%s: %w", m, base.Version, err))
		default:
			patches = append(patches, patched{m, p, tree})
		}
	}
	for _, r := range apart {
		say("%v %s", r.mutant, r.says(0))
	}
	say("of %d mutants, %d apply to linux-%s and %d have no counterpart there", len(all), len(patches), base.Version, len(apart))
	if patches == nil && errs == nil {
		return nil, nil, fmt.Errorf("no mutant is left to run: none of these %d has a counterpart on linux-%s", len(all), base.Version)
	}
	return patches, apart, errors.Join(errs...)
}

// writePatches writes the patches of the mutants that a test must notice.
func writePatches(dir string, all []patched) error {
	for _, p := range all {
		if p.equivalent != "" {
			continue
		}
		if err := cache.WriteFile(filepath.Join(dir, p.String()+".patch"), p.patch); err != nil {
			return err
		}
	}
	return nil
}

// tree is a series on a base.
type tree struct {
	kernel.Tree
	texts  map[string]string // the files that mutants edit
	misfit string            // why the series does not apply to the base; "" if it does
}

// readTrees returns the tree of each series that a mutant is for. A series may have no
// variant for a base, but not for the default one.
func readTrees(ctx context.Context, h host.Host, base source.Base, all []mutant) (map[string]tree, error) {
	files := make(map[string][]string) // by series
	for _, m := range all {
		for _, c := range m.changes {
			for _, e := range c {
				files[m.series] = append(files[m.series], e.file)
			}
		}
	}
	trees := make(map[string]tree)
	for name, paths := range files {
		applied, misfit, err := apply(ctx, h, base, name)
		if err != nil {
			return nil, err
		}
		if misfit != "" {
			trees[name] = tree{misfit: misfit}
			continue
		}
		texts := make(map[string]string)
		for _, path := range paths {
			if texts[path] != "" {
				continue
			}
			text, err := applied.Read(path)
			if err == nil {
				texts[path] = string(text)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		trees[name] = tree{Tree: applied, texts: texts}
	}
	return trees, nil
}

// apply applies a series to a base. misfit says why the series does not apply; a series must
// apply to the default base.
func apply(ctx context.Context, h host.Host, base source.Base, name string) (applied kernel.Tree, misfit string, err error) {
	s, err := series.Load(ctx, h.Sandbox, patchesFolder, name)
	if err != nil {
		return kernel.Tree{}, "", err
	}
	s, _, fits, err := kernel.Choose(ctx, h, base, s)
	if err != nil {
		return kernel.Tree{}, "", err
	}
	if !fits && source.ReleaseOf(base.Version).String() != source.DefaultRelease {
		return kernel.Tree{}, fmt.Sprintf("the series does not apply to linux-%s", base.Version), nil
	}
	if s.Variant != "" {
		say("%s: the patches for %s", name, s.Variant)
	}
	applied, err = kernel.Apply(ctx, h, base, s)
	return applied, "", err
}
