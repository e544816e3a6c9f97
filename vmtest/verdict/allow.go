// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"regexp"
	"strings"
)

// Allowance is one line of an allow file: a splat that is nothing against the
// kernel under test, and why.
type Allowance struct {
	Pattern *regexp.Regexp // for the splat's headline, without printk's prefix
	Reason  string
}

// ParseAllow reads an allow file: lines "REGEXP # reason", empty lines, and
// comments that begin in column one.
func ParseAllow(text []byte) ([]Allowance, error) {
	var all []Allowance
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, reason, _ := strings.Cut(line, " # ")
		if strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("allow:%d: %q has no reason; write it behind \" # \"", i+1, line)
		}
		re, err := regexp.Compile(strings.TrimSpace(pattern))
		if err != nil {
			return nil, fmt.Errorf("allow:%d: %w", i+1, err)
		}
		if re.MatchString("") {
			return nil, fmt.Errorf("allow:%d: %q allows everything", i+1, pattern)
		}
		all = append(all, Allowance{re, strings.TrimSpace(reason)})
	}
	return all, nil
}

// allowed is the reason that allows a splat with this headline; empty if none
// does.
func allowed(all []Allowance, headline string) string {
	for _, a := range all {
		if a.Pattern.MatchString(headline) {
			return a.Reason
		}
	}
	return ""
}
