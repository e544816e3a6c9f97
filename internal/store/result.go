// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The list of the files of an entry is an ActionResult of the package
// build.bazel.remote.execution.v2, because a server may verify that it is one, and that it has all
// contents which the list names. These are the numbers of the fields that are used:
//
//	ActionResult { repeated OutputFile output_files = 2; bytes stdout_raw = 5; }
//	OutputFile   { string path = 1; Digest digest = 2; bool is_executable = 4; }
//	Digest       { string hash = 1; int64 size_bytes = 2; }
const (
	outputFiles  = 2
	stdoutRaw    = 5
	filePath     = 1
	fileDigest   = 2
	isExecutable = 4
	digestHash   = 1
	digestSize   = 2
)

// mostFiles is how many files an entry may have.
const mostFiles = 10_000

// label is the standard output of the action. It says whose entry it is, of which version, and
// under which key, so that no other list is taken for it.
func label(key string) string { return "timens-vmtest store 1 " + key + "\n" }

// encode returns the list of the files of an entry.
func encode(key string, files []File) []byte {
	var all []byte
	for _, f := range files {
		var digest, one []byte
		digest = appendBytes(digest, digestHash, f.SHA256)
		digest = protowire.AppendVarint(protowire.AppendTag(digest, digestSize, protowire.VarintType), uint64(f.Bytes))
		one = appendBytes(one, filePath, filepath.ToSlash(f.Name)+packedName)
		one = appendBytes(one, fileDigest, string(digest))
		if f.Executable {
			one = protowire.AppendVarint(protowire.AppendTag(one, isExecutable, protowire.VarintType), 1)
		}
		all = appendBytes(all, outputFiles, string(one))
	}
	return appendBytes(all, stdoutRaw, label(key))
}

func appendBytes(to []byte, number protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(to, number, protowire.BytesType), value)
}

// decode reads the list of the files of an entry. Fields that are not used are skipped.
func decode(key string, text []byte) ([]File, error) {
	var files []File
	said := ""
	err := fields(text, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case stdoutRaw:
			said = string(value)
		case outputFiles:
			f, err := decodeFile(value)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("its list cannot be read: %w", err)
	}
	if said != label(key) {
		return nil, errors.New("its list is of something else, or of another version")
	}
	return files, check(files)
}

func decodeFile(text []byte) (File, error) {
	var f File
	err := fields(text, func(number protowire.Number, value []byte, n uint64) error {
		switch number {
		case filePath:
			f.Name = string(value)
		case isExecutable:
			f.Executable = n != 0
		case fileDigest:
			return fields(value, func(number protowire.Number, value []byte, n uint64) error {
				switch number {
				case digestHash:
					f.SHA256 = string(value)
				case digestSize:
					f.Bytes = int64(min(n, math.MaxInt64))
				}
				return nil
			})
		}
		return nil
	})
	return f, err
}

// fields calls each for every field of a message, with the bytes or with the number that it has.
func fields(text []byte, each func(number protowire.Number, value []byte, n uint64) error) error {
	for len(text) > 0 {
		number, kind, n := protowire.ConsumeTag(text)
		if n < 0 {
			return protowire.ParseError(n)
		}
		text = text[n:]
		var value []byte
		var varint uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(text)
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(text)
		default:
			n = protowire.ConsumeFieldValue(number, kind, text)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		text = text[n:]
		if err := each(number, value, varint); err != nil {
			return err
		}
	}
	return nil
}

var sha256RE = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check verifies the names and the digests of files, and takes the ending of packed contents from
// the names.
func check(files []File) error {
	if len(files) == 0 || len(files) > mostFiles {
		return fmt.Errorf("its list has %d files", len(files))
	}
	seen := make(map[string]bool)
	for i, f := range files {
		name, packed := strings.CutSuffix(f.Name, packedName)
		switch {
		case !packed || !filepath.IsLocal(name) || path.Clean(name) != name || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") || strings.ContainsAny(name, "\\\x00"):
			return fmt.Errorf("its list has a file %q", f.Name)
		case seen[name]:
			return fmt.Errorf("its list has two files %q", f.Name)
		case !sha256RE.MatchString(f.SHA256):
			return fmt.Errorf("its list has the digest %q", f.SHA256)
		case f.Bytes <= 0:
			return fmt.Errorf("its list has a file %q of %d bytes", f.Name, f.Bytes)
		}
		seen[name] = true
		files[i].Name = name
	}
	for _, f := range files {
		for above := path.Dir(f.Name); above != "."; above = path.Dir(above) {
			if seen[above] {
				return fmt.Errorf("its list has a file %q that is a folder, too", above)
			}
		}
	}
	return nil
}
