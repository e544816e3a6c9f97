// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"fmt"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// Formalities are what a maintainer's scripts would refuse the patch for,
// whatever it does.
func (p Patch) Formalities() []string {
	var all []string
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case p.Subject == "":
		complain("it has no subject")
	case p.Author == "":
		complain("it has no author")
	case !strings.Contains("\n"+p.Changelog+"\n", "\nSigned-off-by: "+p.Author+"\n"):
		complain("there is no Signed-off-by of its author, %s", p.Author)
	}
	for _, f := range p.files {
		if emptied(f) {
			complain("it leaves %s empty; have it remove the file", f.NewName)
		}
		if !f.IsNew || len(f.TextFragments) == 0 {
			continue
		}
		top := ""
		for _, line := range f.TextFragments[0].Lines[:min(2, len(f.TextFragments[0].Lines))] {
			top += line.Line
		}
		if !strings.Contains(top, "SPDX-License-Identifier: ") {
			complain("%s is new and does not begin with its SPDX-License-Identifier", f.NewName)
		}
	}
	return all
}

// emptied says that a patch takes all that is in a file and leaves the file.
func emptied(f *gitdiff.File) bool {
	return !f.IsDelete && len(f.TextFragments) == 1 && f.TextFragments[0].NewPosition == 0 && f.TextFragments[0].NewLines == 0
}
