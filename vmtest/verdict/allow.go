// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"regexp"

	"timens-vmtest/internal/reasons"
)

// allowKind describes allow files.
var allowKind = reasons.Kind{Name: "allow", Form: "REGEXP # reason", Mark: " # "}

// Allowance is one line of an allow file: a splat that does not make a run fail, and the
// reason.
type Allowance struct {
	Pattern *regexp.Regexp // for the splat's headline, without printk's prefix
	Reason  string
}

// ParseAllow reads an allow file. Package reasons describes the lines "REGEXP # reason".
func ParseAllow(text []byte) ([]Allowance, error) {
	entries, err := allowKind.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []Allowance
	for _, e := range entries {
		re, err := regexp.Compile(e.What)
		if err != nil {
			return nil, e.Errorf("%w", err)
		}
		if re.MatchString("") {
			return nil, e.Errorf("%q allows everything", e.What)
		}
		all = append(all, Allowance{re, e.Reason})
	}
	return all, nil
}

// allowed returns the reason that allows a splat with this headline, or "" if none does.
func allowed(all []Allowance, headline string) string {
	for _, a := range all {
		if a.Pattern.MatchString(headline) {
			return a.Reason
		}
	}
	return ""
}
