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
	"slices"
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

var files = []string{TextFile, KTAPFile, JSONFile, JUnitFile}

// Write writes the reports of one run and what its tests printed: all of it, or none.
func Write(dir string, r verdict.Result) error {
	err := write(dir, r)
	if err != nil { // a part of a report would be believed
		for _, name := range append(slices.Clone(files), CoverageTextFile, CoverageHTMLFile) {
			_ = os.Remove(filepath.Join(dir, name)) // it may never have been there
		}
		removeOutputs(dir, r)
	}
	return err
}

func write(dir string, r verdict.Result) error {
	json, err := JSON(r)
	if err != nil {
		return err
	}
	junit, err := JUnit(r)
	if err != nil {
		return err
	}
	if err := writeOutputs(dir, r); err != nil {
		return err
	}
	var page bytes.Buffer
	text(&page, dir, r, inFile)
	if len(r.Lanes) > 0 {
		page.WriteString("\n")
		if err := Table(&page, r); err != nil {
			return err
		}
	}
	contents := map[string][]byte{
		TextFile:  page.Bytes(),
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
	return errors.Join(errs...)
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
