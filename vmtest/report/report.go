// SPDX-License-Identifier: BSD-3-Clause

// Package report prints judged runs: as text for a person, and as KTAP, JSON
// and JUnit for programs. It is the only place that prints verdicts and it
// decides nothing.
package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"timens-vmtest/vmtest/verdict"
)

// Files that Write leaves in a run's folder.
const (
	TextFile  = "report.txt"
	KTAPFile  = "report.ktap"
	JSONFile  = "report.json"
	JUnitFile = "report.xml"
)

// Write writes the reports of one run: all of them, or none.
func Write(dir string, r verdict.Result) error {
	json, err := JSON(r)
	if err != nil {
		return err
	}
	junit, err := JUnit(r)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	Text(&text, dir, r)
	if len(r.Lanes) > 0 {
		text.WriteString("\n")
		if err := Table(&text, r); err != nil {
			return err
		}
	}
	contents := map[string][]byte{
		TextFile:  text.Bytes(),
		KTAPFile:  KTAP(r),
		JSONFile:  json,
		JUnitFile: junit,
	}
	if r.Coverage != nil {
		contents[CoverageTextFile] = CoverageText(r.Coverage)
		if contents[CoverageHTMLFile], err = CoverageHTML(r.Coverage); err != nil {
			return err
		}
	}
	var errs []error
	for name, content := range contents {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	err = errors.Join(errs...)
	if err != nil {
		for name := range contents { // a part of a report would be believed
			_ = os.Remove(filepath.Join(dir, name)) // it may never have been there
		}
	}
	return err
}

// printable drops what XML 1.0 cannot carry and what a terminal would obey: a
// test's output and a kernel's console may hold any byte.
func printable(s string) string {
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s), "?")
}
