// SPDX-License-Identifier: BSD-3-Clause

// Package recording keeps the evidence of a run in one text file, byte for byte. With such
// files the tests check the judge.
package recording

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// Evidence lists the names of the files that Pack keeps, in all folders of a run. The judge
// can also read wire.DecodedFile and wire.QEMUFile, which change no verdict; a recording does
// not have them.
var Evidence = []string{
	verdict.RunFile, verdict.ExpectFile, verdict.AllowFile, verdict.TroubleFile, verdict.CoverageFile, verdict.FloorFile,
	wire.PlanFile, wire.BootFile, wire.ExitFile, wire.ConsoleFile, wire.RecordsFile,
}

// quoted is the ending of a file whose lines are string literals of Go. An archive cannot
// have other bytes than plain lines, so such a literal includes the end of its line.
const quoted = ".quoted"

// Pack reads the evidence below dir. replace removes paths of this machine.
func Pack(dir string, replace *strings.Replacer) (*txtar.Archive, error) {
	a := new(txtar.Archive)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(Evidence, d.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		a.Files = append(a.Files, Quote(filepath.ToSlash(name), []byte(replace.Replace(string(text)))))
		return nil
	})
	if err == nil && len(a.Files) == 0 {
		err = fmt.Errorf("%s holds no evidence", dir)
	}
	return a, err
}

// Unpack writes what Pack has read to the folder dir.
func Unpack(a *txtar.Archive, dir string) error {
	for _, f := range a.Files {
		name, text, err := Unquote(f)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("%s is outside of the folder", name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Quote makes a file of an archive, quoted if it has to be.
func Quote(name string, text []byte) txtar.File {
	if plain(text) {
		return txtar.File{Name: name, Data: text}
	}
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		fmt.Fprintln(&b, strconv.Quote(line))
	}
	return txtar.File{Name: name + quoted, Data: b.Bytes()}
}

// plain reports whether an archive can keep the text unchanged.
func plain(text []byte) bool {
	return utf8.Valid(text) && (len(text) == 0 || text[len(text)-1] == '\n') && !txtar.NeedsQuote(text) &&
		!bytes.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) })
}

// Unquote is the inverse of Quote.
func Unquote(f txtar.File) (name string, text []byte, err error) {
	name, ok := strings.CutSuffix(f.Name, quoted)
	if !ok {
		return name, f.Data, nil
	}
	for line := range strings.Lines(string(f.Data)) {
		s, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return "", nil, fmt.Errorf("%s: %s: %w", f.Name, line, err)
		}
		text = append(text, s...)
	}
	return name, text, nil
}
