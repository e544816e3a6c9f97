// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
)

// Lines are the lines of source files that have code of their own, and how
// often each ran.
type Lines map[string]map[int]ran

// ran is how often a line ran.
type ran struct {
	Count  uint64
	Partly bool // some of its code did not
}

// add sums what two measurements say of the same kernel.
func (l Lines) add(file string, line int, r ran) {
	if l[file] == nil {
		l[file] = make(map[int]ran)
	}
	sum := l[file][line]
	wholly := sum.Count > 0 && !sum.Partly || r.Count > 0 && !r.Partly
	sum.Count += r.Count
	sum.Partly = sum.Count > 0 && !wholly
	l[file][line] = sum
}

// Counts reads counter files of one kernel. They are named as the kernel names
// them, which is by the path that the object was built at.
type Counts struct {
	image kernel.Image
	box   sandbox.Box
	dir   string           // holds the notes, and the counters that are being read
	known map[string]Lines // by the source and the digest of its counters
}

// newCounts makes ready to read counters of this kernel in the folder dir.
func newCounts(image kernel.Image, box sandbox.Box, dir string) (*Counts, error) {
	c := &Counts{image, box, dir, make(map[string]Lines)}
	for _, source := range slices.Sorted(maps.Keys(image.Profiled)) {
		from := filepath.Join(filepath.Dir(image.Vmlinux), "gcov", kernel.Notes(source))
		to := filepath.Join(dir, kernel.Notes(source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := cache.CopyFile(from, to); err != nil {
			return nil, err
		}
		if got, err := cache.HashFile(to); err != nil {
			return nil, err
		} else if got != image.Profiled[source] {
			return nil, fmt.Errorf("%s is damaged; remove %s to have it built again", from, filepath.Dir(image.Vmlinux))
		}
	}
	return c, nil
}

// source is the profiled source that a counter file of the guest's belongs to.
func (c *Counts) source(name string) (string, error) {
	var found string
	for source := range c.image.Profiled {
		// kernel/fork.c and arch/x86/kernel/fork.c: the longer one is meant.
		if strings.HasSuffix(name, "/"+kernel.Counters(source)) && len(source) > len(found) {
			found = source
		}
	}
	if found == "" {
		return "", fmt.Errorf("counters %s belong to nothing that this kernel was to count", name)
	}
	return found, nil
}

// Lines asks gcov what the counters of some sources say of the lines in them and in
// the headers that they include.
func (c *Counts) Lines(ctx context.Context, gcda map[string][]byte) (Lines, error) {
	all := make(Lines)
	asked := make(map[string]string) // key of the answer, by the name of the counters
	args := []string{"--json-format", "--stdout"}
	for _, source := range slices.Sorted(maps.Keys(gcda)) {
		key := fmt.Sprintf("%s %x", source, sha256.Sum256(gcda[source]))
		if l, ok := c.known[key]; ok {
			all.merge(l)
			continue
		}
		name := kernel.Counters(source)
		if err := os.WriteFile(filepath.Join(c.dir, name), gcda[source], 0o644); err != nil {
			return nil, err
		}
		asked[name], args = key, append(args, name)
	}
	if len(asked) == 0 {
		return all, nil
	}
	out, err := c.box.Run(ctx, sandbox.Place{Dir: c.dir, Writable: []string{c.dir}}, "gcov", args...)
	if err != nil {
		return nil, err
	}
	answers, err := parseGcov(out)
	if err != nil {
		return nil, fmt.Errorf("gcov of %s: %w", strings.Join(args[2:], " "), err)
	}
	for source := range gcda {
		key, ok := asked[kernel.Counters(source)]
		if !ok {
			continue
		}
		l := answers[kernel.Counters(source)]
		if len(l[source]) == 0 {
			return nil, fmt.Errorf("gcov of %s: not a line of %s", kernel.Counters(source), source)
		}
		c.known[key] = l
		all.merge(l)
	}
	return all, nil
}

// parseGcov reads gcov's JSON, which is a document for each file of counters.
// They are read while other CPUs count: gcov, which makes the sums of some of them
// out of others, may come to less than none.
func parseGcov(text []byte) (map[string]Lines, error) {
	all := make(map[string]Lines)
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var doc struct {
			Counters string `json:"data_file"`
			Files    []struct {
				File  string
				Lines []struct {
					Line    int   `json:"line_number"`
					Count   int64 `json:"count"`
					Blocked bool  `json:"unexecuted_block"`
				}
			}
		}
		if err := d.Decode(&doc); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		lines := make(Lines)
		for _, f := range doc.Files {
			for _, l := range f.Lines {
				lines.add(path.Clean(f.File), l.Line, ran{uint64(max(l.Count, 0)), l.Count > 0 && l.Blocked})
			}
		}
		all[doc.Counters] = lines
	}
}

// sources are the profiled sources, sorted.
func (c *Counts) sources() []string { return slices.Sorted(maps.Keys(c.image.Profiled)) }

// merge adds what another object says.
func (l Lines) merge(other Lines) {
	for file, lines := range other {
		for n, ran := range lines {
			l.add(file, n, ran)
		}
	}
}
