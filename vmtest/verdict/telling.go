// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"regexp"
	"slices"
	"strings"
)

// maxTelling bounds a telling line, in characters.
const maxTelling = 160

var (
	// located is a line of t.Error, t.Fatal or t.Log: "    x_test.go:12: text".
	located = regexp.MustCompile(`^\s*([\w.-]+\.go:\d+: .*\S)\s*$`)
	// framed is a line that Go's testing package prints about a test.
	framed = regexp.MustCompile(`^` + marker + `?(?:=== (RUN|NAME|CONT|PAUSE|ATTR) +(\S*)|--- (PASS|FAIL|SKIP): (\S+) \(|(?:PASS|FAIL)$)`)
	// frame is a line of a goroutine's stack that is in a test.
	frame = regexp.MustCompile(`^\t\S*?([\w.-]+_test\.go:\d+)\b`)
)

// telling are the lines of an output, at most two, that say most about why its test
// did not pass: what it panicked with, or the first and the last line of those that
// t.Error, t.Fatal and t.Log print. Lines of subtests that passed do not count. Where
// there is none of these, it is the last line.
func telling(output string) []string {
	var found []string
	switch at, panicked := panicOf(output); {
	case panicked != "" && at != "":
		return []string{short(panicked + ", at " + at)}
	case panicked != "":
		return []string{short(panicked)}
	case at != "": // asked for its goroutines, because its time was over
		found = append(ends(locatedLines(output)), "it was at "+at)
	default:
		found = ends(locatedLines(output))
	}
	if found == nil {
		found = lastWord(output)
	}
	for i, line := range found {
		found[i] = short(line)
	}
	return found[:min(2, len(found))]
}

// panicOf is what a Go program panicked with, and the place in a test where a
// goroutine of it was. Panicked is empty for a dump of goroutines that was asked for.
func panicOf(output string) (at, panicked string) {
	dumped := false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case dumped:
			if m := frame.FindStringSubmatch(line); m != nil {
				return m[1], panicked
			}
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			dumped, panicked = true, line
		case strings.HasPrefix(line, "SIGQUIT: "):
			dumped = true
		}
	}
	return "", panicked
}

// locatedLines are the lines with a file and a line number that tests and subtests
// have printed which did not pass.
func locatedLines(output string) []string {
	type said struct{ by, text string }
	var all []said
	ended := make(map[string]string) // test or subtest: PASS, FAIL or SKIP
	running := ""
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if m := framed.FindStringSubmatch(line); m != nil {
			switch {
			case m[3] != "":
				ended[m[4]] = m[3]
			case m[1] != "" && m[1] != "ATTR" && m[2] != "":
				running = m[2]
			}
		} else if m := located.FindStringSubmatch(line); m != nil {
			all = append(all, said{running, m[1]})
		}
	}
	all = slices.DeleteFunc(all, func(s said) bool { return ended[s.by] == "PASS" || ended[s.by] == "SKIP" })
	var lines []string
	for _, s := range all {
		lines = append(lines, s.text)
	}
	return lines
}

// ends are the first and the last line, once if they are one.
func ends(lines []string) []string {
	if len(lines) < 2 {
		return lines
	}
	return []string{lines[0], lines[len(lines)-1]}
}

// lastWord is the last line that the test itself has printed.
func lastWord(output string) []string {
	for _, line := range slices.Backward(strings.Split(output, "\n")) {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) != "" && !framed.MatchString(line) {
			return []string{strings.TrimSpace(line)}
		}
	}
	return nil
}

// short is a line cut to its bound.
func short(line string) string {
	if r := []rune(line); len(r) > maxTelling {
		return string(r[:maxTelling-3]) + "..."
	}
	return line
}
