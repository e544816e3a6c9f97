// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/cache"
	"timens-vmtest/kernel/patch"
)

// rewrite replaces the patches of a folder by these, and returns the names of the files that
// changed. A variant shares each patch that is equal to one of the series' own folder. If the
// folder has variants, their patches stay as they are.
func rewrite(folder string, patches []patch.Patch) ([]string, error) {
	var fresh []patch.Named
	for _, p := range patches {
		fresh = append(fresh, patch.Named{Name: p.Name, Text: p.Text})
	}
	if parent := parentOf(folder); parent != "" {
		own, err := stored(parent)
		if err != nil {
			return nil, err
		}
		return store(folder, fresh, own)
	}
	old, err := stored(folder)
	if err != nil {
		return nil, err
	}
	// A shared patch that changes is copied into its variant first, so that nothing is lost
	// if this is interrupted.
	stays := slices.DeleteFunc(slices.Clone(old), func(p patch.Named) bool { return !has(fresh, p) })
	changed, variants, err := storeBelow(folder, nil, stays)
	if err != nil {
		return nil, err
	}
	own, err := store(folder, fresh, nil)
	if err != nil {
		return nil, err
	}
	again, _, err := storeBelow(folder, variants, fresh)
	for _, name := range slices.Concat(own, again) {
		if !slices.Contains(changed, name) {
			changed = append(changed, name)
		}
	}
	return changed, err
}

// storeBelow writes the variants of a series so that they share the patches of own that they
// have. texts are the patches of each variant; nil: as they are stored. It returns the files
// that changed, and the patches of each variant.
func storeBelow(folder string, texts [][]patch.Named, own []patch.Named) (changed []string, of [][]patch.Named, err error) {
	all, err := below(folder)
	if err != nil {
		return nil, nil, err
	}
	if texts == nil { // all are read before one is written
		for _, v := range all {
			patches, err := stored(v.Folder)
			if err != nil {
				return nil, nil, err
			}
			texts = append(texts, patches)
		}
	}
	for i, v := range all {
		names, err := store(v.Folder, texts[i], own)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			changed = append(changed, filepath.Join(v.Release, name))
		}
	}
	return changed, texts, nil
}

// stored reads the patches that a folder lists; none if it has no file "series".
func stored(folder string) ([]patch.Named, error) {
	names, err := listed(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readPatches(folder, names)
}

// has reports whether one of the patches has this name and this text.
func has(patches []patch.Named, p patch.Named) bool {
	return slices.ContainsFunc(patches, func(q patch.Named) bool { return q.Name == p.Name && bytes.Equal(q.Text, p.Text) })
}

// store replaces the patches of a folder by these, and returns the names of the files that
// changed. Those that are in own are shared, and only listed.
func store(folder string, patches, own []patch.Named) ([]string, error) {
	listPath := filepath.Join(folder, "series")
	list, err := os.ReadFile(listPath)
	if errors.Is(err, fs.ErrNotExist) { // a variant that begins
		list, err = []byte("# The patches for Linux "+filepath.Base(folder)+".\n"), nil
	}
	if err != nil {
		return nil, err
	}
	old, err := parseList(listPath, list)
	if err != nil {
		return nil, err
	}
	var changed []string
	put := func(name string, text []byte) error {
		path := filepath.Join(folder, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(text) {
			return nil
		}
		changed = append(changed, name)
		return cache.WriteFile(path, text)
	}
	var names []string
	for _, p := range patches {
		if has(own, p) {
			names = append(names, shared+p.Name)
			continue
		}
		if err := put(p.Name, p.Text); err != nil {
			return nil, err
		}
		names = append(names, p.Name)
	}
	if err := put("series", relist(list, names)); err != nil {
		return nil, err
	}
	for _, name := range old { // last: the patches that replace them exist by now
		if unshared(name) == name && !slices.Contains(names, name) {
			changed = append(changed, name)
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}
