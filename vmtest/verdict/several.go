// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"path/filepath"
	"slices"
)

// SeveralFile makes a folder that of several series, each in a folder of its name. It
// holds a Several, and is written before the first of them.
const SeveralFile = "series.json"

// Several is what a command was to do with several series.
type Several struct {
	Series    []string `json:"series"`     // in their order
	KeepGoing bool     `json:"keep_going"` // it does not stop at the first that has not passed
}

// LoadSeveral reads the names of the series in a folder.
func LoadSeveral(dir string) (Several, error) {
	path := filepath.Join(dir, SeveralFile)
	var s *Several
	switch err := loadWhole(path, &s); {
	case err != nil:
		return Several{}, err
	case s == nil:
		return Several{}, fmt.Errorf("there is no %s", path)
	}
	for i, name := range s.Series {
		if name == "" || !filepath.IsLocal(name) || slices.Contains(s.Series[:i], name) {
			return Several{}, fmt.Errorf("%s: %q is no folder in it, or is there twice", path, name)
		}
	}
	return *s, nil
}

// Ends says that no series comes behind one with this verdict.
func (s Several) Ends(v Verdict) bool { return v != Passed && !s.KeepGoing }

// Verdict is that of all series together, of which the first were judged. The others
// may be missing only behind one that ends the command.
func (s Several) Verdict(judged []Verdict) Verdict {
	if len(judged) == 0 || len(judged) > len(s.Series) {
		return Unjudged
	}
	all := Overall(judged)
	if len(judged) < len(s.Series) && !s.Ends(judged[len(judged)-1]) {
		return all.Worse(Unjudged)
	}
	return all
}

// Overall is the verdict of several things together.
func Overall(judged []Verdict) Verdict {
	if len(judged) == 0 {
		return Unjudged
	}
	all := Passed
	for _, v := range judged {
		all = all.Worse(v)
	}
	return all
}

// Runs are the judged runs of several series.
type Runs struct {
	Several
	Results []Result // of the first of Series, in their order
}

// Verdict is that of all runs together.
func (r Runs) Verdict() Verdict {
	var judged []Verdict
	for _, one := range r.Results {
		judged = append(judged, one.Verdict)
	}
	return r.Several.Verdict(judged)
}
