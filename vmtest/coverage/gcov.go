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
	"strconv"
	"strings"
	"sync"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
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

// Counts reads the counter files of one kernel, those of several tests at the same time. The kernel names such
// a file by the path at which the object was built.
type Counts struct {
	image kernel.Image
	box   sandbox.Box
	dirs  chan string // those that no gcov uses; each has the compiler's notes, and the counters while gcov reads them
	known sync.Map    // results of gcov, which are Lines, by source and digest of the counters
}

// newCounts copies the compiler's notes of a kernel to folders in tmp, one for each core, and verifies them.
func newCounts(h host.Host, image kernel.Image, tmp string) (*Counts, error) {
	n := h.UsableCores()
	c := &Counts{image: image, box: h.Sandbox, dirs: make(chan string, n)}
	for i := range n {
		dir := filepath.Join(tmp, strconv.Itoa(i))
		if err := copyNotes(image, dir); err != nil {
			return nil, err
		}
		c.dirs <- dir
	}
	return c, nil
}

// copyNotes copies the compiler's notes of a kernel to the folder dir, and verifies them.
func copyNotes(image kernel.Image, dir string) error {
	for _, source := range slices.Sorted(maps.Keys(image.Profiled)) {
		from := filepath.Join(filepath.Dir(image.Vmlinux), "gcov", kernel.Notes(source))
		to := filepath.Join(dir, kernel.Notes(source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := cache.CopyFile(from, to); err != nil {
			return err
		}
		if got, err := cache.HashFile(to); err != nil {
			return err
		} else if got != image.Profiled[source] {
			return fmt.Errorf("%s is damaged; remove %s to have it built again", from, filepath.Dir(image.Vmlinux))
		}
	}
	return nil
}

// gcov returns what gcov prints about the counters of some sources. It waits until a folder is free.
func (c *Counts) gcov(ctx context.Context, gcda map[string][]byte, sources []string, args ...string) ([]byte, error) {
	dir := <-c.dirs
	defer func() { c.dirs <- dir }()
	for _, source := range sources {
		name := kernel.Counters(source)
		if err := os.WriteFile(filepath.Join(dir, name), gcda[source], 0o644); err != nil {
			return nil, err
		}
		args = append(args, name)
	}
	return c.box.Run(ctx, sandbox.Place{Dir: dir, Writable: []string{dir}}, "gcov", args...)
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
	var unknown, keys []string
	for _, source := range slices.Sorted(maps.Keys(gcda)) {
		key := fmt.Sprintf("%s %x", source, sha256.Sum256(gcda[source]))
		if l, ok := c.known.Load(key); ok {
			all.merge(l.(Lines))
			continue
		}
		unknown, keys = append(unknown, source), append(keys, key)
	}
	if unknown == nil {
		return all, nil
	}
	out, err := c.gcov(ctx, gcda, unknown, "--json-format", "--stdout")
	if err != nil {
		return nil, err
	}
	answers, err := parseGcov(out)
	if err != nil {
		return nil, fmt.Errorf("gcov of %s: %w", strings.Join(unknown, " "), err)
	}
	for i, source := range unknown {
		l := answers[kernel.Counters(source)]
		if len(l[source]) == 0 {
			return nil, fmt.Errorf("gcov of %s: no lines of %s in its output", kernel.Counters(source), source)
		}
		c.known.Store(keys[i], l)
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
