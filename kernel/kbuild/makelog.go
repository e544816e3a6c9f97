// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// Log keeps what make prints, in a file and in memory. The copy in memory is needed
// when the disk is full: then the file lacks the very line that says so.
type Log struct {
	File *os.File
	Err  error // of writing the file; make continues without it
	Text []byte
}

func (l *Log) Write(p []byte) (int, error) {
	l.Text = append(l.Text, p...)
	if l.Err == nil {
		_, l.Err = l.File.Write(p)
	}
	return len(p), nil
}

var (
	compilerError = regexp.MustCompile(`(?m)^\S+:\d+(:\d+)?: (fatal )?error: |^\S*ld: |undefined reference to |^ERROR: `)
	nextMessage   = regexp.MustCompile(`^make(\[\d+\])?: |^  [A-Z]+ +\S+$|^\S+:\d+(:\d+)?: (fatal )?(error|warning): `)
	warningLine   = regexp.MustCompile(`(?m)^\S+:\d+(:\d+)?: warning: .*$`)
	unitName      = regexp.MustCompile(`^(?:(?:In file included|\s+) from )?(?:\S*/src/)?(\S+?)\.[cS]:`)
	objectLine    = regexp.MustCompile(`^  (?:CC|AS) +(\S+)`)
)

// FirstError returns the first message of a compiler or linker in a log of make, with the
// lines that belong to it. If there is none, it returns the end of the log. It cuts the
// roots off the names of files.
func FirstError(log []byte, roots ...string) string {
	log = unrooted(log, roots...)
	at := compilerError.FindIndex(log)
	if at == nil {
		return sandbox.Tail(log, 20)
	}
	begin := bytes.LastIndexByte(log[:at[0]], '\n') + 1
	lines := strings.Split(string(log[begin:]), "\n")
	for i, line := range lines {
		if i > 0 && (i == 20 || nextMessage.MatchString(line)) {
			lines = lines[:i]
			break
		}
	}
	return sandbox.Tail([]byte(strings.Join(lines, "\n")), 20)
}

// unrooted cuts the roots off the names of files below them. A person knows and edits
// kernel/fork.c, not the cache's copy of it.
func unrooted(log []byte, roots ...string) []byte {
	for _, root := range roots {
		log = bytes.ReplaceAll(log, []byte(root+"/"), nil)
	}
	return log
}

// CompilerWarnings returns the warnings of the compiler in a log of make, as it printed
// them. It cuts the roots off the names of files.
func CompilerWarnings(log []byte, roots ...string) []string {
	var all []string
	for _, w := range warningLine.FindAll(unrooted(log, roots...), -1) {
		all = append(all, string(w))
	}
	return all
}

// WarnedObjects lists the objects for whose sources the compiler printed a warning. Above a
// warning about a header, the compiler names the file that includes it.
func WarnedObjects(log []byte) []string {
	var all []string
	unit := ""
	for line := range bytes.Lines(log) {
		if m := unitName.FindSubmatch(line); m != nil {
			unit = string(m[1]) + ".o"
		}
		if warningLine.Match(line) && unit != "" && !slices.Contains(all, unit) {
			all = append(all, unit)
		}
	}
	return all
}

// ObjectCounter reads make's output and reports each file that is compiled.
type ObjectCounter struct {
	Done   int // files that were compiled
	Total  int // an estimate of the files that are to be compiled; 0 if it is not known
	Report host.Reporter
	Out    string // prefix to cut off the names of objects
	rest   []byte
}

func (o *ObjectCounter) Write(p []byte) (int, error) {
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.rest = rest
		if m := objectLine.FindSubmatch(line); m != nil {
			o.Done++
			if o.Done > o.Total {
				o.Total = 0 // the estimate was too low
			}
			o.Report.Count("objects", o.Done, o.Total, strings.TrimPrefix(string(m[1]), o.Out))
		}
	}
}
