// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"encoding/xml"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"timens-vmtest/vmtest/verdict"
)

// CoberturaFile is a report for Cobertura and GitLab, which Write writes if coverage was
// measured.
const CoberturaFile = "cobertura.xml"

// coberturaHead names the document type.
const coberturaHead = xml.Header + `<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">` + "\n"

// The types of a report for Cobertura. The document type demands all of these attributes. We
// know nothing of branches and complexity, which are 0.
type (
	cobertura struct {
		XMLName         xml.Name          `xml:"coverage"`
		LineRate        string            `xml:"line-rate,attr"`
		BranchRate      string            `xml:"branch-rate,attr"`
		LinesCovered    int               `xml:"lines-covered,attr"`
		LinesValid      int               `xml:"lines-valid,attr"`
		BranchesCovered int               `xml:"branches-covered,attr"`
		BranchesValid   int               `xml:"branches-valid,attr"`
		Complexity      string            `xml:"complexity,attr"`
		Version         string            `xml:"version,attr"`
		Timestamp       int64             `xml:"timestamp,attr"` // milliseconds
		Sources         []string          `xml:"sources>source"`
		Packages        coberturaPackages `xml:"packages"`
	}
	coberturaPackages struct {
		All []coberturaPackage `xml:"package"`
	}
	coberturaPackage struct {
		Name       string           `xml:"name,attr"`
		LineRate   string           `xml:"line-rate,attr"`
		BranchRate string           `xml:"branch-rate,attr"`
		Complexity string           `xml:"complexity,attr"`
		Classes    []coberturaClass `xml:"classes>class"`
	}
	coberturaClass struct {
		Name       string         `xml:"name,attr"`
		Filename   string         `xml:"filename,attr"`
		LineRate   string         `xml:"line-rate,attr"`
		BranchRate string         `xml:"branch-rate,attr"`
		Complexity string         `xml:"complexity,attr"`
		Methods    struct{}       `xml:"methods"`
		Lines      coberturaLines `xml:"lines"`
	}
	coberturaLines struct {
		All []coberturaLine `xml:"line"`
	}
	coberturaLine struct {
		Number int    `xml:"number,attr"`
		Hits   uint64 `xml:"hits,attr"`
		Branch bool   `xml:"branch,attr"`
	}
)

// Cobertura returns the coverage of the changed lines in the format of Cobertura. A package is a
// folder of the kernel, and a class is a file. Paths are relative to the kernel tree, which is
// the source if the run tested a checkout.
func Cobertura(r verdict.Result) ([]byte, error) {
	c := r.Coverage
	x := cobertura{
		LineRate: rate(c.Executed, c.Countable), BranchRate: "0", LinesCovered: c.Executed, LinesValid: c.Countable, Complexity: "0", Version: "vmtest",
	}
	if began, err := time.Parse(time.RFC3339, r.Run.Began); err == nil { // a run that was cut off says nothing
		x.Timestamp = began.UnixMilli()
	}
	if r.Run.Tree != nil {
		x.Sources = []string{r.Run.Tree.Path}
	}
	for _, f := range c.Files {
		x.add(f)
	}
	text, err := xml.MarshalIndent(x, "", "  ")
	return append([]byte(coberturaHead), append(text, '\n')...), err
}

// add adds a file, if some of its lines can be counted.
func (x *cobertura) add(f verdict.CoveredFile) {
	lines := countable(f)
	if len(lines) == 0 {
		return
	}
	c := coberturaClass{Name: path.Base(f.Path), Filename: f.Path, BranchRate: "0", Complexity: "0"}
	for _, l := range lines {
		c.Lines.All = append(c.Lines.All, coberturaLine{Number: l.N, Hits: l.Count})
	}
	c.LineRate = rateOf(c)
	all, folder := &x.Packages.All, path.Dir(f.Path)
	i := slices.IndexFunc(*all, func(p coberturaPackage) bool { return p.Name == folder })
	if i < 0 {
		i = len(*all)
		*all = append(*all, coberturaPackage{Name: folder, BranchRate: "0", Complexity: "0"})
	}
	p := &(*all)[i]
	p.Classes = append(p.Classes, c)
	p.LineRate = rateOf(p.Classes...)
}

// rateOf returns which part of the lines of some files ran.
func rateOf(classes ...coberturaClass) string {
	hit, all := 0, 0
	for _, c := range classes {
		for _, l := range c.Lines.All {
			if all++; l.Hits > 0 {
				hit++
			}
		}
	}
	return rate(hit, all)
}

// rate returns a part of a whole, from 0 to 1. If there is no whole it is 0: nothing is proven.
func rate(part, whole int) string {
	if whole == 0 {
		return "0"
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.4f", float64(part)/float64(whole)), "0"), ".")
}
