// SPDX-License-Identifier: BSD-3-Clause

// Package report prints judged runs: as text and HTML for people, as KTAP, JSON, JUnit and
// benchmarks for programs, and coverage for lcov and Cobertura. No other package prints verdicts. It decides nothing.
package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/vmtest/verdict"
)

// Files that Write writes to a run's folder.
const (
	TextFile  = "report.txt"
	KTAPFile  = "report.ktap"
	JSONFile  = "report.json"
	JUnitFile = "report.xml"
	HTMLFile  = "report.html"
)

var (
	files         = []string{TextFile, KTAPFile, JSONFile, JUnitFile, HTMLFile, BenchFile}
	coverageFiles = []string{CoverageTextFile, CoverageHTMLFile, LcovFile, CoberturaFile} // if coverage was measured
)

// Write writes the reports of one run, and the output of its tests. If it fails, it removes
// what it has written.
func Write(dir string, r verdict.Result) error {
	err := write(dir, r)
	if err != nil { // somebody might trust one report without the others
		for _, name := range slices.Concat(files, coverageFiles) {
			_ = os.Remove(filepath.Join(dir, name)) // the file may not exist
		}
		_ = removeOutputs(dir, r) // err says what is wrong
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
	html, err := HTML(dir, r)
	if err != nil {
		return err
	}
	figures, err := bench(r)
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
		HTMLFile:  html,
		BenchFile: figures,
	}
	if r.Coverage != nil {
		contents[CoverageTextFile], contents[LcovFile] = CoverageText(r.Coverage), Lcov(r.Coverage)
		if contents[CoverageHTMLFile], err = CoverageHTML(r.Coverage); err != nil {
			return err
		}
		if contents[CoberturaFile], err = Cobertura(r); err != nil {
			return err
		}
	}
	var errs []error
	for name, content := range contents {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	return errors.Join(errs...)
}
