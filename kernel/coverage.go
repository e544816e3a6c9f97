package kernel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Lines are the lines of source files that have code of their own, and how
// often each ran.
type Lines map[string]map[int]Ran

// Ran is how often a line ran.
type Ran struct {
	Count  uint64
	Partly bool // some of its code did not
}

// add sums what two measurements say of the same kernel.
func (l Lines) add(file string, line int, r Ran) {
	if l[file] == nil {
		l[file] = make(map[int]Ran)
	}
	sum := l[file][line]
	wholly := sum.Count > 0 && !sum.Partly || r.Count > 0 && !r.Partly
	sum.Count += r.Count
	sum.Partly = sum.Count > 0 && !wholly
	l[file][line] = sum
}

// notes is where the compiler's notes on a profiled source are, below out as
// below a cache entry's folder "gcov".
func notes(source string) string { return strings.TrimSuffix(source, ".c") + ".gcno" }

// counters is the name of the file with the counters of a profiled source.
func counters(source string) string { return strings.TrimSuffix(source, ".c") + ".gcda" }

// VDSO says that what a file holds runs in user space, where the kernel's
// counters cannot be reached.
func VDSO(path string) bool {
	return vdsoRE.MatchString(path) && !vdsoInKernel.MatchString(path)
}

var (
	vdsoRE       = regexp.MustCompile(`^(lib|include)/vdso/|^arch/[^/]+/(entry|kernel)/vdso(32|64)?/|^arch/[^/]+/include/asm/vdso/`)
	vdsoInKernel = regexp.MustCompile(`/(vma|extable)\.c$`) // it maps the vDSO
)

// InKernel says that a file can become a part of the kernel itself: it is no
// tool, no documentation and no sample.
func InKernel(path string) bool {
	top, _, _ := strings.Cut(path, "/")
	return !slices.Contains([]string{"Documentation", "LICENSES", "samples", "scripts", "tools", "usr", "rust"}, top)
}

// profilable lists the sources that a series touches and whose objects can
// count.
func (o overlay) profilable() []string {
	var sources []string
	for _, file := range sortedKeys(o) {
		if o[file] != nil && profilable(file) {
			sources = append(sources, file)
		}
	}
	return sources
}

func profilable(file string) bool {
	return strings.HasSuffix(file, ".c") && InKernel(file) && !VDSO(file)
}

// Countable says that a series touches a source whose lines can be counted.
func (s Series) Countable() bool {
	return slices.ContainsFunc(s.Patches, func(p Patch) bool { return slices.ContainsFunc(p.touches(), profilable) })
}

// profileArgs are make's arguments that have the objects of these sources
// compiled with counters. Makefile.lib asks for GCOV_PROFILE_<stem>.o in the
// folder that it is in, so that the answer has to look at the folder too.
// CPUs that count at once lose nothing (atomic). Functions are not inlined where they need not be: inlined, a "return" has no
// code of its own and could not be seen to run.
func profileArgs(sources []string) []string {
	folders := make(map[string][]string)
	for _, source := range sources {
		stem := strings.TrimSuffix(path.Base(source), ".c")
		folders[stem] = append(folders[stem], path.Dir(source))
	}
	var args []string
	for _, stem := range sortedKeys(folders) {
		args = append(args, fmt.Sprintf("GCOV_PROFILE_%s.o=$(if $(filter %s,$(obj)),y)", stem, strings.Join(folders[stem], " ")))
	}
	if args != nil {
		args = append(args, "CFLAGS_GCOV=-fprofile-arcs -ftest-coverage -fprofile-update=atomic -fno-tree-loop-im -fno-inline")
	}
	return args
}

// keepNotes copies the compiler's notes of what was profiled into a cache
// entry, and says which sources those are: what the configuration leaves out
// has none.
func (b *build) keepNotes(entry string) (map[string]string, error) {
	kept := make(map[string]string)
	for _, source := range b.profiled {
		to := filepath.Join(entry, "gcov", notes(source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		err := copyMade(b.out(), notes(source), to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if kept[source], err = hashFile(to); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// Counts reads counter files of one kernel. They are named as the kernel names
// them, which is by the path that the object was built at.
type Counts struct {
	image Image
	dir   string           // holds the notes, and the counters that are being read
	known map[string]Lines // by the source and the digest of its counters
}

// NewCounts makes ready to read counters of this kernel in the folder dir.
func NewCounts(image Image, dir string) (*Counts, error) {
	c := &Counts{image, dir, make(map[string]Lines)}
	for _, source := range sortedKeys(image.Profiled) {
		from := filepath.Join(filepath.Dir(image.Vmlinux), "gcov", notes(source))
		to := filepath.Join(dir, notes(source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := copyFile(from, to); err != nil {
			return nil, err
		}
		if got, err := hashFile(to); err != nil {
			return nil, err
		} else if got != image.Profiled[source] {
			return nil, fmt.Errorf("%s is damaged; remove %s to have it built again", from, filepath.Dir(image.Vmlinux))
		}
	}
	return c, nil
}

// Source is the profiled source that a counter file of the guest's belongs to.
func (c *Counts) Source(name string) (string, error) {
	var found string
	for source := range c.image.Profiled {
		// kernel/fork.c and arch/x86/kernel/fork.c: the longer one is meant.
		if strings.HasSuffix(name, "/"+counters(source)) && len(source) > len(found) {
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
	for _, source := range sortedKeys(gcda) {
		key := fmt.Sprintf("%s %x", source, sha256.Sum256(gcda[source]))
		if l, ok := c.known[key]; ok {
			all.Merge(l)
			continue
		}
		name := counters(source)
		if err := os.WriteFile(filepath.Join(c.dir, name), gcda[source], 0o644); err != nil {
			return nil, err
		}
		asked[name], args = key, append(args, name)
	}
	if len(asked) == 0 {
		return all, nil
	}
	out, err := runConfined(ctx, c.dir, nil, []string{c.dir}, nil, "gcov", args...)
	if err != nil {
		return nil, err
	}
	answers, err := parseGcov(out)
	if err != nil {
		return nil, fmt.Errorf("gcov of %s: %w", strings.Join(args[2:], " "), err)
	}
	for source := range gcda {
		key, ok := asked[counters(source)]
		if !ok {
			continue
		}
		l := answers[counters(source)]
		if len(l[source]) == 0 {
			return nil, fmt.Errorf("gcov of %s: not a line of %s", counters(source), source)
		}
		c.known[key] = l
		all.Merge(l)
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
				lines.add(path.Clean(f.File), l.Line, Ran{uint64(max(l.Count, 0)), l.Count > 0 && l.Blocked})
			}
		}
		all[doc.Counters] = lines
	}
}

// Sources are the profiled sources, sorted.
func (c *Counts) Sources() []string { return sortedKeys(c.image.Profiled) }

// Merge adds what another object says.
func (l Lines) Merge(other Lines) {
	for file, lines := range other {
		for n, ran := range lines {
			l.add(file, n, ran)
		}
	}
}
