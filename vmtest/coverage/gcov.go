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

// Lines says how often each line ran, by the path of the source file and the number of the
// line. It has only lines with code of their own.
type Lines map[string]map[int]ran

// ran is how often a line ran.
type ran struct {
	Count  uint64
	Partly bool // some of the line's code ran, and some did not
}

// add adds a measurement of a line to the earlier ones. All are of the same kernel.
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

// Counts reads the counter files of one kernel. The kernel names such a file by the path
// at which the object was built.
type Counts struct {
	image kernel.Image
	box   sandbox.Box
	dir   string           // has the compiler's notes, and the counters while gcov reads them
	known map[string]Lines // results of gcov, by source and digest of the counters
}

// newCounts copies the compiler's notes of a kernel to the folder dir, and verifies them.
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

// source returns the profiled source that a counter file of the guest belongs to.
func (c *Counts) source(name string) (string, error) {
	var found string
	for source := range c.image.Profiled {
		// Both kernel/fork.c and arch/x86/kernel/fork.c may match: take the longer.
		if strings.HasSuffix(name, "/"+kernel.Counters(source)) && len(source) > len(found) {
			found = source
		}
	}
	if found == "" {
		return "", fmt.Errorf("the counters %s belong to no source that this kernel counts", name)
	}
	return found, nil
}

// Lines returns how often the lines of some sources, and of the headers that they include,
// ran. gcda has the counters of each source. It is an error if gcov cannot read them.
func (c *Counts) Lines(ctx context.Context, gcda map[string][]byte) (Lines, error) {
	all := make(Lines)
	asked := make(map[string]string) // key in c.known, by the name of the counter file
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
			return nil, fmt.Errorf("gcov of %s: no lines of %s in its output", kernel.Counters(source), source)
		}
		c.known[key] = l
		all.merge(l)
	}
	return all, nil
}

// parseGcov reads the JSON that gcov prints, one document for each counter file, and
// returns the lines by the name of that file. The guest read the counters while other
// CPUs counted. gcov computes some counts from others, so a count may be negative: it is
// taken for zero.
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

// sources returns the profiled sources in sorted order.
func (c *Counts) sources() []string { return slices.Sorted(maps.Keys(c.image.Profiled)) }

// merge adds the lines of another measurement of the same kernel.
func (l Lines) merge(other Lines) {
	for file, lines := range other {
		for n, ran := range lines {
			l.add(file, n, ran)
		}
	}
}
