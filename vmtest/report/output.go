// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// OutputDir is the folder of a lane's folder with what each test printed.
const OutputDir = "output"

// OutputFile is the name of a test's file in OutputDir. "timens/386" is a package, and
// its slash becomes an "@", which no package has in its name.
func OutputFile(id wire.TestID) string {
	return strings.ReplaceAll(id.String(), "/", "@") + ".txt"
}

// outputPath is a test's file in the run's folder; empty if the test printed nothing.
func outputPath(l verdict.LaneResult, t verdict.TestResult) string {
	if t.Output == "" {
		return ""
	}
	return filepath.Join(l.Lane, OutputDir, OutputFile(t.TestID))
}

// writeOutputs writes what the tests printed, a file a test.
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
			if err := os.WriteFile(filepath.Join(dir, path), []byte(printable(t.Output)), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeOutputs removes what writeOutputs has written.
func removeOutputs(dir string, r verdict.Result) {
	for _, l := range r.Lanes {
		_ = os.RemoveAll(filepath.Join(dir, l.Lane, OutputDir)) // it may never have been there
	}
}

// What a report for programs has of one test's output. A file has all of it.
const (
	maxKTAPLines = 60
	maxBytes     = 64 << 10
)

// bounded is an output that is not longer than maxBytes, its middle left out.
func bounded(output, file string) string {
	output = printable(output)
	if len(output) <= maxBytes {
		return output
	}
	const half = maxBytes / 2
	head, tail := output[:half], output[len(output)-half:]
	head, tail = head[:strings.LastIndexByte(head, '\n')+1], tail[strings.IndexByte(tail, '\n')+1:]
	return head + fmt.Sprintf("[vmtest: %d bytes are left out here; %s has them]\n", len(output)-len(head)-len(tail), file) + tail
}

// boundedLines are the lines of an output, its middle left out.
func boundedLines(output, file string) []string {
	lines := strings.Split(strings.TrimRight(printable(output), "\n"), "\n")
	if len(lines) <= maxKTAPLines {
		return lines
	}
	const half = maxKTAPLines / 2
	left := fmt.Sprintf("[vmtest: %d lines are left out here; %s has them]", len(lines)-2*half, file)
	return append(append(lines[:half:half], left), lines[len(lines)-half:]...)
}

// firstOutput prints a part of what the first test printed that ran and was not as
// expected.
func firstOutput(w io.Writer, dir string, r verdict.Result) {
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if t.AsExpected() || t.Output == "" || t.Status == verdict.Missing {
				continue
			}
			file := filepath.Join(dir, outputPath(l, t))
			if _, err := os.Stat(file); err != nil { // a stored run that no report was written of
				file = filepath.Join(dir, l.Lane, wire.RecordsFile)
			}
			fmt.Fprintf(w, "  output of %s (all of it is in %s):\n", t.TestID, file)
			for _, line := range excerpt(t.Output) {
				fmt.Fprintf(w, "    | %s\n", printable(line))
			}
			return
		}
	}
}

// excerpt is what tells most of an output: the beginning of a Go panic, of a dump of
// goroutines the one that is in the test, else the end.
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
