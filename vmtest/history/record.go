// SPDX-License-Identifier: BSD-3-Clause

// Package history remembers what the nightly job found. A history is one file of JSON lines
// that is only appended to. Pure functions read from it what changed, since which night, and
// which figures made a step. The package runs nothing.
package history

import "slices"

// Schema is the version of a Line. It grows when a member is removed or gets another
// meaning. Members that are added do not change it. Lines of every older version are read
// for ever.
const Schema = 1

// Line is one line of a history. Beside Schema and Night it has exactly one member.
type Line struct {
	Schema  int      `json:"schema"`
	Night   string   `json:"night"` // the date on which it began, such as "2026-11-26"; ".2" and so on is added if that date has a night already
	Plan    *Plan    `json:"plan,omitempty"`
	Cell    *Cell    `json:"cell,omitempty"`
	Finding *Finding `json:"finding,omitempty"`
	End     *End     `json:"end,omitempty"`
	Note    string   `json:"note,omitempty"` // something that a reader of the page has to know, such as that an older night was cut off
}

// Plan begins a night. It names the cells that are to run. A cell is a base, a series, a
// configuration and a lane, or one command.
type Plan struct {
	Began   string   `json:"began"`              // RFC 3339
	Cells   []string `json:"cells"`              // names of the cells that are to run, in that order
	LeftOut []string `json:"left_out,omitempty"` // names of the cells for which the budget had no room
	Resting []string `json:"resting,omitempty"`  // names of the cells whose turn is another night
	Command []string `json:"command"`            // what the user typed
}

// End ends a night. A night without one is under way, or was cut off.
type End struct {
	Ended  string `json:"ended"`             // RFC 3339
	Why    string `json:"why,omitempty"`     // why the night ended before all cells had run; empty: they have
	Pruned string `json:"pruned,omitempty"`  // what was removed because it was too old; empty: nothing
	CutOff bool   `json:"cut_off,omitempty"` // the night did not end itself, and nobody was told: the next night says it
}

// The stages that a Cell can come to. The zero value is the bad case.
const (
	StageNone  = ""      // it did not run, because of the host; Cell.Trouble says why
	StageBuild = "build" // the kernel did not apply, configure or build
	StageBoot  = "boot"  // the kernel did not boot
	StageTests = "tests" // the tests ran, or the command did
)

// Cell is what became of one cell of a night.
type Cell struct {
	Name     string             `json:"name"`              // such as "6.12/control/default/real"
	Stage    string             `json:"stage"`             // how far it came
	Verdict  string             `json:"verdict"`           // text of a verdict.Verdict
	Trouble  string             `json:"trouble,omitempty"` // the headline of what is against it
	Faults   []string           `json:"faults,omitempty"`  // what is against it beside single tests, such as a splat
	Release  string             `json:"release,omitempty"` // of the kernel
	Folder   string             `json:"folder,omitempty"`  // with the evidence, relative to the folder of the history
	Command  []string           `json:"command,omitempty"` // what runs it again
	Began    string             `json:"began,omitempty"`   // RFC 3339
	CostS    float64            `json:"cost_s"`            // host seconds, all in all
	CPUS     float64            `json:"cpu_s,omitempty"`   // CPU seconds, if they were measured
	Figures  map[string]float64 `json:"figures,omitempty"` // by the names of Figures
	Inputs   Inputs             `json:"inputs"`
	Tests    []Test             `json:"tests,omitempty"`
	Splats   []Splat            `json:"splats,omitempty"`
	Coverage *Coverage          `json:"coverage,omitempty"` // nil if it was not measured

	// Exceptions are the lines of the allow and expect files, and whether the cell needed
	// each. verdict.Exceptions makes them. Older histories have none.
	Exceptions map[string]bool `json:"exceptions,omitempty"`
}

// The names of figures. The unit is behind the last underscore.
const (
	BootS        = "boot_s"        // host seconds until the guest's first record
	DurationS    = "duration_s"    // host seconds of all boots
	LatenessS    = "lateness_s"    // guest seconds: the greatest lateness of all tests
	VmlinuxBytes = "vmlinux_bytes" // size of the kernel
)

// Inputs are the digests and names of all that a cell is made of. A difference between two
// nights says what changed.
type Inputs struct {
	Base      string   `json:"base,omitempty"`      // version of the unpatched kernel and its origin
	Package   string   `json:"package,omitempty"`   // Debian's package and version, if the base is one
	Tree      string   `json:"tree,omitempty"`      // path of the git tree, if the base is one
	Commit    string   `json:"commit,omitempty"`    // of Tree
	Patches   []Digest `json:"patches,omitempty"`   // of the series, in order
	Foreign   bool     `json:"foreign,omitempty"`   // Patches are the work of others: of a mailbox, or of a folder outside of the checkout
	Config    string   `json:"config,omitempty"`    // digest
	Toolchain string   `json:"toolchain,omitempty"` // version lines
	QEMU      string   `json:"qemu,omitempty"`      // version line
	Tests     string   `json:"tests,omitempty"`     // digest of the guest's programs and the plan
	Project   string   `json:"project,omitempty"`   // commit of this project
}

// Digest is a named file and a digest of its contents.
type Digest struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Test is what became of one test.
type Test struct {
	Name      string   `json:"name"`               // package.Test
	Status    string   `json:"status"`             // text of a verdict.Status
	Expected  string   `json:"expected,omitempty"` // empty: pass
	DurationS float64  `json:"duration_s,omitempty"`
	LatenessS *float64 `json:"lateness_s,omitempty"` // nil: it measured none
	Telling   []string `json:"telling,omitempty"`    // why it was not as expected
}

// Splat is something that a healthy kernel does not print.
type Splat struct {
	Fingerprint string   `json:"fingerprint"` // equal for splats of one kind; see Fingerprint
	Text        string   `json:"text"`
	Test        string   `json:"test,omitempty"`  // that ran
	Lines       []string `json:"lines,omitempty"` // decoded, if they could be
	Allowed     string   `json:"allowed,omitempty"`
}

// Coverage says which of the lines that a series changes ran.
type Coverage struct {
	Executed  int      `json:"executed"`
	Countable int      `json:"countable"`
	Missing   []string `json:"missing,omitempty"` // "file:line" of each line that did not run
}

// Tries are attempts of one test on one kernel.
type Tries struct {
	N      int `json:"n"`      // how often it ran
	Failed int `json:"failed"` // how often it was not as expected
}

// Finding is what is known of why something fails. Several findings of one subject and
// one FirstBad are states of one search: the last says how far it came.
type Finding struct {
	Cell     string   `json:"cell"`
	Test     string   `json:"test,omitempty"` // empty: the cell as a whole
	FirstBad string   `json:"first_bad"`      // night
	LastGood string   `json:"last_good,omitempty"`
	Here     Tries    `json:"here"`              // on the kernel of FirstBad
	There    Tries    `json:"there"`             // on the kernel of LastGood, with the tests of FirstBad
	Changed  []Change `json:"changed,omitempty"` // inputs that differ between LastGood and FirstBad

	Culprit    string   `json:"culprit,omitempty"`    // one line; empty: not known
	Evidence   string   `json:"evidence,omitempty"`   // one line: why it is the culprit
	Introduced string   `json:"introduced,omitempty"` // a commit of the base, or "good..bad" of two
	Command    []string `json:"command,omitempty"`    // what reproduces the failure
	Done       bool     `json:"done"`                 // the search has ended, with a culprit or without
	Good       string   `json:"good,omitempty"`       // where a search over commits or patches stands
	Bad        string   `json:"bad,omitempty"`        // likewise
	Why        string   `json:"why,omitempty"`        // why there is no culprit, or none yet
}

// Change is one input that differs.
type Change struct {
	What string `json:"what"` // such as "base" or "patch 0002-x.patch"
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// String is such as "base: 6.12.120, after 6.12.117".
func (c Change) String() string {
	switch {
	case c.From == "":
		return c.What + ": new"
	case c.To == "":
		return c.What + ": removed"
	}
	return c.What + ": " + c.To + ", after " + c.From
}

// Flaky says that the test failed in some of its tries on one kernel, and not in others.
func (f Finding) Flaky() bool {
	mixed := func(t Tries) bool { return t.Failed > 0 && t.Failed < t.N }
	return mixed(f.Here) || mixed(f.There) || f.Here.N > 0 && f.Here.Failed == 0
}

// Holds says that the test failed in every try, and that it does the same in every try on
// the kernel of LastGood, too.
func (f Finding) Holds() bool { return f.Here.N > 0 && !f.Flaky() && f.Here.Failed == f.Here.N }

// History is what a history file has, the nights in the order in which they began.
type History struct {
	Nights []Night
}

// Night is all that is known of one night.
type Night struct {
	Name     string
	Plan     Plan
	Cells    []Cell // each name once: the last of two
	Findings []Finding
	Notes    []string
	End      *End // nil: it is under way, or was cut off
}

// Night returns a night by its name.
func (h History) Night(name string) (Night, bool) {
	i := h.index(name)
	if i < 0 {
		return Night{}, false
	}
	return h.Nights[i], true
}

func (h History) index(night string) int {
	return slices.IndexFunc(h.Nights, func(n Night) bool { return n.Name == night })
}

// Until returns the history up to a night, which is the last in it.
func (h History) Until(night string) History {
	return History{h.Nights[:h.index(night)+1]}
}

// Cell returns a cell of the night by its name.
func (n Night) Cell(name string) (Cell, bool) {
	for _, c := range n.Cells {
		if c.Name == name {
			return c, true
		}
	}
	return Cell{}, false
}

// Test returns a test of the cell by its name.
func (c Cell) Test(name string) (Test, bool) {
	for _, t := range c.Tests {
		if t.Name == name {
			return t, true
		}
	}
	return Test{}, false
}

// add adds a line to the history.
func (h *History) add(l Line) {
	i := h.index(l.Night)
	if i < 0 {
		i = len(h.Nights)
		h.Nights = append(h.Nights, Night{Name: l.Night})
	}
	n := &h.Nights[i]
	switch {
	case l.Plan != nil:
		n.Plan = *l.Plan
	case l.Cell != nil:
		n.Cells = append(slices.DeleteFunc(n.Cells, func(c Cell) bool { return c.Name == l.Cell.Name }), *l.Cell)
	case l.Finding != nil:
		n.Findings = append(n.Findings, *l.Finding)
	case l.End != nil:
		n.End = l.End
	case l.Note != "":
		n.Notes = append(n.Notes, l.Note)
	}
}
