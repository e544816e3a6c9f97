// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"regexp"

	"timens-vmtest/internal/reasons"
)

// allowKind are the allow files.
var allowKind = reasons.Kind{Name: "allow", Form: "REGEXP # reason", Mark: " # "}

// Allowance is one line of an allow file: a splat that is nothing against the
// kernel under test, and why.
type Allowance struct {
	Pattern *regexp.Regexp // for the splat's headline, without printk's prefix
	Reason  string
}

// ParseAllow reads an allow file: lines "REGEXP # reason", as package reasons has
// them.
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
