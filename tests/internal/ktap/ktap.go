// SPDX-License-Identifier: BSD-3-Clause

// Package ktap reads the KTAP output of the kernel's selftests.
package ktap

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Row is the result of one subtest.
type Row struct {
	Name string
	OK   bool
	Skip string // why it was skipped; "" if it ran
}

var (
	planRE = regexp.MustCompile(`^1\.\.(\d+)(?:\s*# SKIP\s*(.*))?$`)
	rowRE  = regexp.MustCompile(`^(not )?ok (\d+)\s*(?:- )?(.*)$`)
	skipRE = regexp.MustCompile(`^(.*?)\s*# SKIP\s*(.*)$`)
)

// Parse reads the output of one program: its rows, ordered by number. The rows
// must be those that the program planned, each once: some are missing if the
// program was cut off, or died in a child. Rows may be printed in any order,
// because processes have output buffers of their own. The plan may be repeated,
// because a child also prints what was in the buffer at fork().
func Parse(output string) ([]Row, error) {
	planned := -1
	rows := make(map[int]Row)
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "Bail out!") {
			return nil, errors.New(line)
		}
		if m := planRE.FindStringSubmatch(line); m != nil {
			n, err := strconv.Atoi(m[1])
			switch {
			case err != nil || n == 0:
				return nil, fmt.Errorf("it planned nothing: %q", line)
			case planned >= 0 && n != planned:
				return nil, fmt.Errorf("a second plan: %q", line)
			}
			planned = n
			continue
		}
		m := rowRE.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q has no number that a row can have", line)
		}
		if _, ok := rows[n]; ok {
			return nil, fmt.Errorf("row %d is there twice: %q", n, line)
		}
		r := Row{Name: m[3], OK: m[1] == ""}
		if s := skipRE.FindStringSubmatch(r.Name); s != nil {
			r.Name, r.Skip = s[1], cmp.Or(s[2], "no reason given")
		}
		rows[n] = r
	}
	if planned < 0 {
		return nil, errors.New("there is no plan in its output")
	}
	var all []Row
	for n := 1; len(all) < len(rows); n++ {
		r, ok := rows[n]
		if !ok {
			return nil, fmt.Errorf("row %d of %d is missing", n, planned)
		}
		all = append(all, r)
	}
	if len(all) != planned {
		return nil, fmt.Errorf("%d rows, %d were planned", len(all), planned)
	}
	return all, nil
}
