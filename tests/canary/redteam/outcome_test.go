// SPDX-License-Identifier: BSD-3-Clause

package redteam

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// outcome is what report.json says of how a run was classified.
type outcome struct {
	Verdict  string
	Exit     int
	Findings []struct{ Verdict, Text string }
	Lanes    []struct {
		Boots int
		Tests []struct{ Name, Status string }
	}
}

func readOutcome(file string) (outcome, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil {
		return outcome{}, fmt.Errorf("%s: %w", file, err)
	}
	return o, nil
}

// lines returns the outcome as the list shows it: the verdict, the tests, and
// every finding once, without the numbers that differ from run to run.
func (o outcome) lines() []string {
	boots := 0
	var tests, lines []string
	for _, l := range o.Lanes {
		boots += l.Boots
		for _, t := range l.Tests {
			tests = append(tests, t.Name+" "+t.Status)
		}
	}
	plural := "s"
	if boots == 1 {
		plural = ""
	}
	lines = append(lines, fmt.Sprintf("%s, exit %d, %d boot%s", o.Verdict, o.Exit, boots, plural), strings.Join(tests, ", "))
	for _, f := range o.Findings {
		if line := f.Verdict + ": " + steady(f.Text); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	addresses = regexp.MustCompile(`\b0x[0-9a-f]+/0x[0-9a-f]+\b|\b[0-9a-f]{16}\b`)
	stalls    = regexp.MustCompile(`self-detected stall on CPU|detected stalls on CPUs/tasks:`) // whichever RCU reports first
	numbers   = regexp.MustCompile(`\b\d+s?\b`)
)

// steady replaces what differs from run to run: process IDs, CPUs, lines,
// offsets and seconds. It keeps a taint, which is always the same.
func steady(text string) string {
	if strings.HasPrefix(text, "the kernel's taint ") {
		return text
	}
	text = stalls.ReplaceAllString(text, "detected stalls")
	return numbers.ReplaceAllString(addresses.ReplaceAllString(text, "N"), "N")
}

// differ shows how got differs from want.
func differ(want, got string) []byte { return diff.Diff("want", []byte(want), "got", []byte(got)) }
