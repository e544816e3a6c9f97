// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// Folders in a lane's folder.
const (
	OutputDir = "output" // has the output of each test
	TraceDir  = "trace"  // has what ftrace recorded of each test that was not as expected
)

// OutputFile returns the name of a test's file in OutputDir and in TraceDir. A package may have a slash in
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

// tracePath returns the path of a test's file in TraceDir in the run's folder, or "" if nothing
// was recorded.
func tracePath(l verdict.LaneResult, t verdict.TestResult) string {
	if t.Trace == "" {
		return ""
	}
	return filepath.Join(l.Lane, TraceDir, OutputFile(t.TestID))
}

// writeOutputs writes the output and the trace of each test to files of their own.
func writeOutputs(dir string, r verdict.Result) error {
	if err := removeOutputs(dir, r); err != nil {
		return err
	}
	for _, l := range r.Lanes {
		if err := os.MkdirAll(filepath.Join(dir, l.Lane, OutputDir), 0o755); err != nil {
			return err
		}
		for _, t := range l.Tests {
			if err := errors.Join(writeText(dir, outputPath(l, t), t.Output), writeText(dir, tracePath(l, t), t.Trace)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeText writes a text to a file of the run's folder. It does nothing if path is empty.
func writeText(dir, path, text string) error {
	if path == "" {
		return nil
	}
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(look.Harmless(text)), 0o644)
}

// removeOutputs removes the files that writeOutputs wrote.
func removeOutputs(dir string, r verdict.Result) error {
	var errs []error
	for _, l := range r.Lanes {
		for _, name := range []string{OutputDir, TraceDir} {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, l.Lane, name)))
		}
	}
	return errors.Join(errs...)
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
				file = filepath.Join(dir, l.Lane, wire.ShardDir(t.Shard), wire.RecordsFile)
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
