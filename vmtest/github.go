// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"

	"timens-vmtest/vmtest/report"
)

// github tells GitHub Actions what a command has found, if it runs in a job there: by
// annotations, which are lines on standard error, and by the summary of the job, which is a
// file. The zero value is for a command elsewhere.
type github struct {
	token   string // of stop-commands; empty: this is no job of GitHub
	title   string // of the summary
	summary string // path; empty: there is none
	page    bytes.Buffer
	notes   []report.Annotation
}

// begin finds out whether this is a job of GitHub. If it is, the runner reads commands such as
// "::error::" in the log. What a guest or a compiler prints must be no command, so the runner is
// told to read none until it finds a random word.
func (g *github) begin(title string) {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	g.token, g.title, g.summary = rand.Text(), title, os.Getenv("GITHUB_STEP_SUMMARY")
	// The children of this command are parts of it: this command tells what they find.
	os.Unsetenv("GITHUB_ACTIONS")
	os.Unsetenv("GITHUB_STEP_SUMMARY")
	fmt.Fprintf(os.Stderr, "::stop-commands::%s\n", g.token)
}

// job says that this is a job of GitHub.
func (g *github) job() bool { return g.token != "" }

// and returns a writer of a report for people: to w, and to the summary.
func (g *github) and(w io.Writer) io.Writer {
	if !g.job() {
		return w
	}
	return io.MultiWriter(w, &g.page)
}

// tell keeps annotations for the end.
func (g *github) tell(notes ...report.Annotation) { g.notes = append(g.notes, notes...) }

// end writes the annotations and the summary. If that fails, it says so: the exit code is as it
// was.
func (g *github) end(code int) {
	if !g.job() {
		return
	}
	fmt.Fprintf(os.Stderr, "\n::%s::\n", g.token)
	err := report.WriteAnnotations(os.Stderr, g.notes)
	if err == nil && g.summary != "" && g.page.Len() > 0 {
		err = report.AppendSummary(g.summary, fmt.Sprintf("%s: exit code %d", g.title, code), g.page.Bytes())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: GitHub could not be told: %v\n", g.title, err)
	}
}
