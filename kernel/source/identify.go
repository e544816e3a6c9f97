// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
)

// A checkout is known by the contents of its files: "touch", or a branch that is checked
// out and left again, makes no other kernel. Reading all files takes seconds, so the cache
// remembers the digest of each file with its stamp, and only files with new stamps are
// read.

// sum is the digest of a file that had this stamp.
type sum struct{ stamp, digest string }

// manyFiles is how many files are read in so short a time that nobody is told.
const manyFiles = 5000

// identify returns a digest of the contents of a checkout, whose files have these stamps. A
// file with another stamp is a ChangedError.
func (b Base) identify(in cache.Cache, files Manifest, r host.Reporter) (string, error) {
	memory := in.AnswerFile("digests of the files of " + b.Dir)
	known := readSums(memory)
	var unread []string
	for path, stamp := range files {
		if known[path].stamp != stamp {
			unread = append(unread, path)
		}
	}
	slices.Sort(unread)
	if len(unread) > manyFiles && r != nil {
		r.Step("read %d files of %s", len(unread), b.Dir)
	}
	read, err := each(unread, func(path string) (string, error) { return b.digest(path, files[path]) })
	for i, path := range unread {
		if read[i] != "" {
			known[path] = sum{files[path], read[i]}
		}
	}
	if werr := writeSums(memory, known, files, len(unread) > 0); err != nil || werr != nil {
		return "", errors.Join(err, werr)
	}
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(files)) {
		parts = append(parts, path, known[path].digest)
	}
	return cache.Digest(parts...), nil
}

// digest returns what a build can tell of a file: its kind, whether it is executable, and
// its contents.
func (b Base) digest(path, stamp string) (string, error) {
	if IsLink(stamp) {
		target, err := b.Readlink(path, stamp)
		if err != nil {
			return "", err
		}
		return "link " + cache.Digest(target), nil
	}
	f, same, err := b.Open(path, stamp)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	hash, err := cache.Hash(f)
	if err = errors.Join(err, same()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%t %s", info.Mode()&0o100 != 0, hash), nil
}

// readSums reads what writeSums wrote. A file that is absent or damaged has no sums.
func readSums(memory string) map[string]sum {
	known := make(map[string]sum)
	text, err := os.ReadFile(memory)
	if err != nil {
		return known
	}
	seal, rest, _ := strings.Cut(string(text), "\x00")
	if cache.Digest(rest) != seal {
		return known
	}
	fields := strings.Split(rest, "\x00")
	for i := 0; i+2 < len(fields); i += 3 {
		known[fields[i]] = sum{fields[i+1], fields[i+2]}
	}
	return known
}

// writeSums remembers the sums of the files of a manifest. If none is new, it only says
// that they were used.
func writeSums(memory string, known map[string]sum, files Manifest, changed bool) error {
	if !changed {
		now := time.Now()
		if err := os.Chtimes(memory, now, now); !errors.Is(err, fs.ErrNotExist) { // removed since it was read
			return err
		}
	}
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if s, ok := known[path]; ok {
			text.WriteString(path + "\x00" + s.stamp + "\x00" + s.digest + "\x00")
		}
	}
	return cache.WriteFile(memory, []byte(cache.Digest(text.String())+"\x00"+text.String()))
}
