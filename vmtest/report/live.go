// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"strings"

	"timens-vmtest/vmtest/page/look"
)

// maxLive is the largest length of a line that is shown while its test runs, in bytes.
const maxLive = 4 << 10

// Live splits what a test prints into lines to show while the test runs. The zero value is
// ready for the first output of a test.
type Live struct{ rest []byte }

// goMark stands before each line that Go's testing package prints about a test.
const goMark = 0x16

// Add takes the next part of the output and returns the lines that are complete.
func (l *Live) Add(part []byte) []string {
	l.rest = append(l.rest, part...)
	var all []string
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if mark := bytes.IndexByte(l.rest[min(1, max(end, 0)):max(end, 0)], goMark); mark >= 0 {
			end = mark // Go's line may begin before the test has ended its own
		}
		if end < 0 && len(l.rest) < maxLive {
			return all
		}
		if end < 0 || end >= maxLive {
			end = maxLive - 1
		}
		all = append(all, shown(l.rest[:end+1])...)
		l.rest = l.rest[end+1:]
	}
}

// Rest returns the last line, if it is not complete, and makes l ready for another test.
func (l *Live) Rest() []string {
	last := l.rest
	l.rest = nil
	return shown(last)
}

// Shown returns a line of the kernel as it is shown: without what could change a terminal,
// and cut if it is too long. It returns nothing for an empty line.
func Shown(line string) []string { return shown([]byte(line[:min(maxLive, len(line))])) }

// shown returns a line as it is shown. It returns nothing for lines in which Go's testing
// package only names the test or repeats the result.
func shown(line []byte) []string {
	text := strings.TrimRight(string(line), "\r\n")
	if marked, ok := strings.CutPrefix(text, string(rune(goMark))); ok &&
		(strings.HasPrefix(marked, "=== ") || marked == "PASS" || marked == "FAIL") {
		return nil
	}
	if text = look.Harmless(text); strings.TrimSpace(text) == "" {
		return nil
	}
	return []string{text}
}
