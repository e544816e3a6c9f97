// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/report"
)

const (
	// wholeNights is how many of the last nights keep all their evidence.
	wholeNights = 7
	// keepFixed is how long the evidence of a failure is kept behind its fix.
	keepFixed = 30 * 24 * time.Hour
)

// prune removes what is too old, and says what it removed: "" for nothing. The folders of the last Keep nights
// stay, but those older than wholeNights keep only their JSON, unless a cell failed in them: its
// evidence is kept until it has been as expected for keepFixed. The history itself is never
// shortened.
func (n *night) prune() (said string, err error) {
	var freed int64
	removed, stripped := 0, 0
	last := len(n.Nights) - 1
	for i := range n.Nights[:max(0, last-wholeNights+1)] {
		night := n.Nights[i]
		dir := filepath.Join(n.Out, nightsDir, night.Name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		needed := n.needed(night)
		if n.Keep > 0 && last-i >= n.Keep && len(needed) == 0 {
			size, err := sizeOf(dir)
			if err == nil {
				err = os.RemoveAll(dir)
			}
			if err != nil {
				return "", err
			}
			freed += size
			removed++
			continue
		}
		size, err := n.strip(dir, needed)
		if err != nil {
			return "", err
		}
		if freed += size; size > 0 {
			stripped++
		}
	}
	inputs, size, err := n.pruneInputs()
	if freed += size; err != nil {
		return "", err
	}
	var parts []string
	if removed > 0 {
		parts = append(parts, plural(removed, "night")+" altogether")
	}
	if stripped > 0 {
		parts = append(parts, "all but JSON and failures of "+plural(stripped, "night"))
	}
	if inputs > 0 {
		parts = append(parts, plural(inputs, "input")+" that no night needs")
	}
	if parts == nil {
		return "", nil
	}
	return fmt.Sprintf("%s of old evidence were removed: %s", humanSize(freed), strings.Join(parts, ", ")), nil
}

// plural is such as "1 night" and "2 nights".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// humanSize writes a number of bytes as a reader wants it.
func humanSize(bytes int64) string {
	if bytes < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

// needed returns the folders of a night, relative to Out, with evidence of failures that are
// not fixed, or were fixed lately.
func (n *night) needed(night history.Night) []string {
	var all []string
	for _, c := range night.Cells {
		if (c.Verdict == "fail" || c.Verdict == "build") && n.open(night.Name, c) {
			all = append(all, c.Folder)
		}
	}
	return all
}

// open says that something that failed in a cell of a night still fails, or failed until lately.
func (n *night) open(night string, c history.Cell) bool {
	fails := []string{""}
	for _, t := range c.Tests {
		fails = append(fails, t.Name)
	}
	before := n.History.Until(night)
	for _, test := range fails {
		if c.Outcome(test) != history.Bad {
			continue
		}
		for _, later := range n.Nights[len(before.Nights):] {
			l, ok := later.Cell(c.Name)
			if !ok || l.Outcome(test) != history.Good {
				continue
			}
			fixed, err := time.Parse(time.DateOnly, later.Name[:min(len(time.DateOnly), len(later.Name))])
			if err == nil && n.Now().Sub(fixed) > keepFixed {
				return false
			}
			return true
		}
		return true
	}
	return false
}

// strip removes all files of a night but its JSON, its list, its mail and its figures, except in the folders that are
// needed. It returns how many bytes that freed.
func (n *night) strip(dir string, needed []string) (freed int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			for _, keep := range needed {
				if path == filepath.Join(n.Out, keep) {
					return filepath.SkipDir
				}
			}
			return nil
		}
		if strings.HasSuffix(path, ".json") || slices.Contains([]string{MailFile, report.BenchFile, cells.File}, d.Name()) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		freed += info.Size()
		return os.Remove(path)
	})
	return freed, err
}

// sizeOf returns how many bytes the files of a folder have.
func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// pruneInputs removes the patches and configurations that no night of the last Keep ones has.
// It returns how many these were, and how many bytes that freed.
func (n *night) pruneInputs() (removed int, freed int64, err error) {
	if n.Keep == 0 || len(n.Nights) <= n.Keep {
		return 0, 0, nil
	}
	used := make(map[string]bool)
	for _, night := range n.Nights[len(n.Nights)-n.Keep:] {
		for _, c := range night.Cells {
			used[c.Inputs.Config] = true
			for _, p := range c.Inputs.Patches {
				used[p.SHA256] = true
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(n.Out, inputsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return removed, freed, err
		}
		if used[e.Name()] {
			continue
		}
		if err := os.Remove(n.input(e.Name())); err != nil {
			return removed, freed, err
		}
		removed, freed = removed+1, freed+info.Size()
	}
	return removed, freed, nil
}
