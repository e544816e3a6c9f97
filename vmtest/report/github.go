// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// Annotation is what GitHub shows above the log of a job, and beside a line of a file.
type Annotation struct {
	Level       string // Error or Notice
	Title, Text string
	File        string // in the checkout of this project; empty: none
	Line        string // of File
}

// The levels of annotations.
const (
	Error  = "error"
	Notice = "notice"
)

// Limits of GitHub. It shows ten annotations of each level that a step prints, and drops the
// others. It drops a summary that is too long.
const (
	maxAnnotations = 10
	maxSummary     = 1 << 20 // of all that one step writes, in bytes
)

// Limits of ours, so that an annotation can be read.
const (
	maxTitle      = 200  // characters
	maxAnnotation = 4000 // characters
)

// inTest matches a telling line that begins with a place in a test.
var inTest = regexp.MustCompile(`^([\w.-]+_test\.go):(\d+): `)

// Annotations returns an annotation for each finding of a run.
func Annotations(r verdict.Result) []Annotation {
	var all []Annotation
	for _, f := range merge(notRun(r)) {
		a := Annotation{Level: Error, Title: "vmtest: " + blame(f.Finding), Text: f.Text}
		if f.Test != "" {
			a.Title = "vmtest: " + f.Test + " (" + f.Lane + ")"
		}
		for _, line := range f.telling(r) {
			a.Text += "\n" + line
			line = strings.TrimPrefix(line, f.lanes[0]+": ")
			if m := inTest.FindStringSubmatch(line); m != nil && a.File == "" {
				a.File, a.Line = "tests/"+folderOf(f.Test)+"/"+m[1], m[2]
			}
		}
		all = append(all, a)
	}
	return all
}

// folderOf returns the folder in tests/ of a test that is named package.Test.
func folderOf(test string) string {
	pkg, _, _ := strings.Cut(test, ".")
	return strings.TrimSuffix(pkg, wire.I386)
}

// FindingAnnotations returns an annotation for each of these findings, which are about what.
func FindingAnnotations(what string, all []verdict.Finding) []Annotation {
	var notes []Annotation
	for _, f := range acrossLanes(all) {
		notes = append(notes, Annotation{Level: Error, Title: "vmtest: " + what, Text: blame(f) + ": " + f.Text})
	}
	return notes
}

// MatrixAnnotations returns an annotation for each fault of a patch.
func MatrixAnnotations(m several.Matrix) []Annotation {
	var notes []Annotation
	for _, p := range m.Patches {
		for i, cell := range p.Cells {
			if cell.Answer == several.Faulty {
				notes = append(notes, Annotation{Level: Error, Title: "vmtest: " + p.Name + ": " + m.Steps[i], Text: cell.Fault})
			}
		}
	}
	return notes
}

// SubmissionAnnotations returns an annotation for each fault of a presubmit.
func SubmissionAnnotations(s several.Submission) []Annotation {
	return append(append(MatrixAnnotations(s.Matrix), FindingAnnotations("tests without and with the series", s.Tests.Findings)...),
		FindingAnnotations("coverage", s.Coverage.Findings)...)
}

var (
	inData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// WriteAnnotations writes commands for GitHub's runner, which reads them in the log. Of each
// level it writes at most as many as GitHub shows. The last one says how many are left out.
func WriteAnnotations(w io.Writer, all []Annotation) error {
	var b bytes.Buffer
	for _, level := range []string{Error, Notice} {
		var some []Annotation
		for _, a := range all {
			if a.Level == level {
				some = append(some, a)
			}
		}
		if more := len(some) - maxAnnotations; more > 0 {
			more++
			some = append(some[:maxAnnotations-1:maxAnnotations-1], Annotation{Level: level, Title: "vmtest", Text: fmt.Sprintf("%d more are in the summary of the job and in its log", more)})
		}
		for _, a := range some {
			fmt.Fprintf(&b, "::%s ", a.Level)
			if a.File != "" {
				fmt.Fprintf(&b, "file=%s,line=%s,", inProperty.Replace(a.File), a.Line)
			}
			fmt.Fprintf(&b, "title=%s::%s\n", inProperty.Replace(clip(a.Title, maxTitle)), inData.Replace(clip(a.Text, maxAnnotation)))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// clip makes a text harmless, and cuts it to a number of characters.
func clip(text string, most int) string {
	r := []rune(look.Harmless(text))
	if len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return string(r)
}

// leftOut is the room that AppendSummary keeps for a line about what it leaves out.
const leftOut = 200

// AppendSummary appends a text to a summary of GitHub, as it is: GitHub takes the file for
// Markdown. If there is not enough room, the last lines of the text are left out. If there is
// none at all, nothing is written.
func AppendSummary(path, title string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer f.Close() // a second time; the first reports errors
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head, end := "### "+html.EscapeString(title)+"\n\n<pre>\n", "</pre>\n\n"
	room := maxSummary - int(info.Size()) - len(head) - len(end) - leftOut
	if room < 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(head)
	lines := strings.SplitAfter(strings.TrimRight(look.Harmless(string(text)), "\n")+"\n", "\n")
	for i, line := range lines {
		line = html.EscapeString(line)
		if room -= len(line); room < 0 {
			fmt.Fprintf(&b, "[vmtest: %d lines are left out here: a summary of GitHub has at most %d bytes]\n", len(lines)-1-i, maxSummary)
			break
		}
		b.WriteString(line)
	}
	b.WriteString(end)
	if _, err := f.WriteString(b.String()); err != nil {
		return err
	}
	return f.Close()
}
