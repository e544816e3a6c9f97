// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"regexp"
	"slices"
	"strings"
)

// maxTelling is the largest length of a telling line, in characters.
const maxTelling = 160

var (
	// located matches a line of t.Error, t.Fatal or t.Log: "    x_test.go:12: text".
	located = regexp.MustCompile(`^\s*([\w.-]+\.go:\d+: .*\S)\s*$`)
	// framed matches a line that Go's testing package prints about a test.
	framed = regexp.MustCompile(`^` + marker + `?(?:=== (RUN|NAME|CONT|PAUSE|ATTR) +(\S*)|--- (PASS|FAIL|SKIP): (\S+) \(|(?:PASS|FAIL)$)`)
	// frame matches a line of a goroutine's stack that is in a test.
	frame = regexp.MustCompile(`^\t\S*?([\w.-]+_test\.go:\d+)\b`)
)

// telling returns at most two lines of an output that say why its test did not pass. For a
// panic this is its message. Otherwise it is the first and the last line of t.Error,
// t.Fatal and t.Log, without those of subtests that passed. If there is no such line, it is
// the last line of the output.
func telling(output string) []string {
	var found []string
	switch at, panicked := panicOf(output); {
	case panicked != "" && at != "":
		return []string{short(panicked + ", at " + at)}
	case panicked != "":
		return []string{short(panicked)}
	case at != "": // it dumped its goroutines because of its timeout
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

// panicOf returns the message of a Go panic, and the place in a test where a goroutine was.
// panicked is empty if the goroutines were dumped for another reason.
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

// locatedLines returns the lines with a file and a line number that tests and subtests
// printed, without those of tests that passed or were skipped.
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

// ends returns the first and the last line, or the only one.
func ends(lines []string) []string {
	if len(lines) < 2 {
		return lines
	}
	return []string{lines[0], lines[len(lines)-1]}
}

// lastWord returns the last line that the test itself printed.
func lastWord(output string) []string {
	for _, line := range slices.Backward(strings.Split(output, "\n")) {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) != "" && !framed.MatchString(line) {
			return []string{strings.TrimSpace(line)}
		}
	}
	return nil
}

// short returns a line of at most maxTelling characters. It leaves out the middle of a
// longer one: a message begins with its place, and what it wanted is often at its end.
func short(line string) string {
	const dots, tail = " ... ", maxTelling / 2
	if r := []rune(line); len(r) > maxTelling {
		return string(r[:maxTelling-tail-len(dots)]) + dots + string(r[len(r)-tail:])
	}
	return line
}
