// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// OutputDir is the folder in a lane's folder that has the output of each test.
const OutputDir = "output"

// OutputFile returns the name of a test's file in OutputDir. A package may have a slash in
// its name, such as "timens/386". The slash becomes an "@", which no package has in its
// name.
func OutputFile(id wire.TestID) string {
	return strings.ReplaceAll(id.String(), "/", "@") + ".txt"
}

// outputPath returns the path of a test's file in the run's folder, or "" if the test
// printed nothing.
func outputPath(l verdict.LaneResult, t verdict.TestResult) string {
	if t.Output == "" {
		return ""
	}
	return filepath.Join(l.Lane, OutputDir, OutputFile(t.TestID))
}

// writeOutputs writes the output of each test to its own file.
func writeOutputs(dir string, r verdict.Result) error {
	for _, l := range r.Lanes {
		sub := filepath.Join(dir, l.Lane, OutputDir)
		if err := os.RemoveAll(sub); err != nil {
			return err
		}
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for _, t := range l.Tests {
			path := outputPath(l, t)
			if path == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, path), []byte(look.Harmless(t.Output)), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeOutputs removes the files that writeOutputs wrote.
func removeOutputs(dir string, r verdict.Result) {
	for _, l := range r.Lanes {
		_ = os.RemoveAll(filepath.Join(dir, l.Lane, OutputDir)) // the folder may not exist
	}
}

// Limits for the output of one test in a report for programs. A file has the whole output.
const (
	maxKTAPLines = 60
	maxBytes     = 64 << 10
)

// bounded returns an output of at most about maxBytes. It leaves out the middle of a longer
// one.
func bounded(output, file string) string {
	output = look.Harmless(output)
	if len(output) <= maxBytes {
		return output
	}
	const half = maxBytes / 2
	head, tail := output[:half], output[len(output)-half:]
	head, tail = head[:strings.LastIndexByte(head, '\n')+1], tail[strings.IndexByte(tail, '\n')+1:]
	return head + fmt.Sprintf("[vmtest: %d bytes are left out here; %s has them]\n", len(output)-len(head)-len(tail), file) + tail
}

// boundedLines returns the lines of an output. If there are more than maxKTAPLines, it
// leaves out those in the middle.
func boundedLines(output, file string) []string { return middleOut(output, file, maxKTAPLines) }

// middleOut returns the lines of an output. If there are more than most, it leaves out those in
// the middle.
func middleOut(output, file string, most int) []string {
	lines := strings.Split(strings.TrimRight(look.Harmless(output), "\n"), "\n")
	if len(lines) <= most {
		return lines
	}
	half := most / 2
	left := fmt.Sprintf("[vmtest: %d lines are left out here; %s has them]", len(lines)-2*half, file)
	return append(append(lines[:half:half], left), lines[len(lines)-half:]...)
}

// failedOutput prints a part of the output of the test that ran and was not as expected. If
// several were not, it prints none: one of them is the cause and the others may follow from
// it, and the telling lines of each stand beside its name.
func failedOutput(w io.Writer, dir string, r verdict.Result) {
	var files []string // of the output of each
	var one verdict.TestResult
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if t.AsExpected() || t.Output == "" || t.Status == verdict.Missing {
				continue
			}
			if files != nil && t.TestID != one.TestID {
				fmt.Fprintf(w, "  all that each test printed is in %s\n", filepath.Join(dir, "*", OutputDir))
				return
			}
			file := filepath.Join(dir, outputPath(l, t))
			if _, err := os.Stat(file); err != nil { // no report was written for this stored run
				file = filepath.Join(dir, l.Lane, wire.RecordsFile)
			}
			if files == nil {
				one = t
			}
			files = append(files, file)
		}
	}
	if files == nil {
		return
	}
	fmt.Fprintf(w, "  output of %s (all of it is in %s):\n", one.TestID, strings.Join(files, " and "))
	for _, line := range excerpt(one.Output) {
		fmt.Fprintf(w, "    | %s\n", look.Harmless(line))
	}
}

// excerpt returns the most useful part of an output: the beginning of a Go panic, or the
// goroutine of a dump that is in the test. If there is neither, it returns the end.
func excerpt(output string) []string {
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			return lines[i:min(len(lines), i+maxOutput)]
		case strings.HasPrefix(line, "SIGQUIT: "):
			for dumped := range strings.SplitSeq(strings.Join(lines[i:], "\n"), "\n\n") {
				if goroutine := strings.Split(dumped, "\n"); strings.Contains(dumped, "_test.go:") {
					return goroutine[:min(len(goroutine), maxOutput)]
				}
			}
		}
	}
	return lines[max(0, len(lines)-maxOutput):]
}
