// SPDX-License-Identifier: BSD-3-Clause

// Package verdict judges runs. Judge is the only function in the project that turns the
// evidence of a run into a verdict. It is a pure function of the contents of the run's
// folder.
package verdict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/wire"
)

// Files of a run's folder besides those of its lanes, which package wire names.
const (
	RunFile     = "run.json"     // Run; written first, and again when the kernel is known
	ExpectFile  = "expect"       // kernel/expect and the series' expect file, as they were
	AllowFile   = "allow"        // kernel/allow, as it was
	TroubleFile = "trouble.json" // Trouble; why the run ended before all lanes were booted
)

// Run is what a run was to test.
type Run struct {
	Series        string   `json:"series"`
	Variant       string   `json:"variant,omitempty"`       // release of the kernel that its patches are for; empty: the series has no variants
	Base          string   `json:"base"`                    // version of the unpatched kernel
	Origin        string   `json:"origin,omitempty"`        // where the base comes from, for messages
	Tree          *Tree    `json:"tree,omitempty"`          // the checkout that is tested; nil if there is none
	Extra         []string `json:"extra_patches,omitempty"` // names of the patches on top of the series
	Release       string   `json:"kernel_release"`          // uname -r of the built kernel
	Lanes         []string `json:"lanes"`                   // in the order of booting; each is a folder
	Began         string   `json:"began"`                   // RFC 3339
	PrepareS      float64  `json:"prepare_s"`               // host seconds from the start to the first boot
	KernelCached  bool     `json:"kernel_cached"`
	KernelStore   string   `json:"kernel_store,omitempty"`    // that the kernel came from; "" if it was built on this machine
	VmlinuxBytes  int64    `json:"vmlinux_bytes,omitempty"`   // size of the built kernel; 0: not recorded
	KernelWarning []string `json:"kernel_warnings,omitempty"` // compiler warnings
	Command       []string `json:"command"`                   // the command that repeats the run
	LeftOut       []string `json:"left_out,omitempty"`        // options that were not requested from this tree, each with the reason
	Make          []string `json:"make,omitempty"`            // variables that the user added to make's command line
	Coverage      bool     `json:"coverage,omitempty"`        // measure which changed lines run
	NotStandard   []string `json:"not_standard,omitempty"`    // flags that make the guest another than the standard one; nil: there are none
	Order         *Order   `json:"order,omitempty"`           // why tests come first; nil: they run in the order of their sources
}

// Order says why some tests of a run come first. It decides nothing: all tests run.
type Order struct {
	Passed  string   `json:"passed"`  // when the run began whose kernel this one is compared with; RFC 3339; empty: the user says what is suspected
	Series  string   `json:"series"`  // of that run
	Changed []string `json:"changed"` // functions and data that differ between the two kernels, or that are suspected
	First   int      `json:"first"`   // how many tests of the plan come first, because they are likely to notice
}

// expects returns what expectations mean for the kernel of the run.
func (r Run) expects(all []Expectation) []Expectation { return On(all, r.Base, r.Tree != nil) }

// Tree is the kernel checkout that a run tests.
type Tree struct {
	Path         string `json:"path"`
	Commit       string `json:"commit,omitempty"`        // the commit that is checked out, or to which the series is applied; empty: not a git tree
	Built        string `json:"built,omitempty"`         // folder in which the user built the kernel; empty: the run built it
	NotCommitted string `json:"not_committed,omitempty"` // file of the run's folder with the changes that are not committed; empty: there are none
}

// Trouble says why a run ended early.
type Trouble struct {
	Blame string `json:"blame"` // "kernel": it did not apply, configure or build; "host": anything else
	Text  string `json:"text"`
}

// Who is to blame for a Trouble.
const (
	BlameKernel = "kernel"
	BlameHost   = "host"
)

// Verdict returns the verdict of a run that ended in trouble.
func (t Trouble) Verdict() Verdict {
	if t.Blame == BlameKernel {
		return Unbuilt
	}
	return Unjudged
}

// Evidence is the contents of a run's folder. A missing file is a zero value, and only
// Judge decides what that means.
type Evidence struct {
	Run      *Run
	Expect   []byte
	Allow    []byte
	Trouble  *Trouble
	Floor    []byte
	Coverage *Coverage
	Added    *[]Added       // the lines that the series has added; nil: not recorded
	Lanes    []LaneEvidence // one for each of Run.Lanes
}

// LaneEvidence is the contents of a lane's folder. A lane has more than one boot if a guest
// died in a test, or if tests needed a later guest. A lane that is split over several guests
// has a plan and shards, and should have no boots of its own.
type LaneEvidence struct {
	Lane   string
	Boots  []BootEvidence
	Plan   *wire.Plan      // of a lane that is split; nil: it is not, or the file is missing
	Shards []ShardEvidence // those that have a folder
}

// BootEvidence is the contents of a boot's folder.
type BootEvidence struct {
	Plan    *wire.Plan
	Boot    *wire.Boot
	Exit    *wire.Exit
	Console []byte
	Decoded []byte // Console with source lines, if it has code addresses
	Records []byte
	QEMULog []byte
}

// Load reads a run's folder. A missing file is not an error. A file that cannot be read or
// parsed is.
func Load(dir string) (Evidence, error) {
	var e Evidence
	if _, err := os.Stat(dir); err != nil {
		return Evidence{}, err
	}
	err := errors.Join(
		LoadJSON(filepath.Join(dir, RunFile), &e.Run),
		LoadJSON(filepath.Join(dir, TroubleFile), &e.Trouble),
		LoadBytes(filepath.Join(dir, ExpectFile), &e.Expect),
		LoadBytes(filepath.Join(dir, AllowFile), &e.Allow),
		LoadBytes(filepath.Join(dir, FloorFile), &e.Floor),
		LoadJSON(filepath.Join(dir, CoverageFile), &e.Coverage),
		LoadJSON(filepath.Join(dir, AddedFile), &e.Added))
	if err != nil || e.Run == nil {
		return e, err
	}
	for _, lane := range e.Run.Lanes {
		if !filepath.IsLocal(lane) {
			return Evidence{}, fmt.Errorf("%s: lane %q is outside of the folder", dir, lane)
		}
		l, err := loadLane(filepath.Join(dir, lane), lane)
		if err != nil {
			return Evidence{}, err
		}
		e.Lanes = append(e.Lanes, l)
	}
	return e, nil
}

func loadBoot(dir string) (BootEvidence, error) {
	var b BootEvidence
	err := errors.Join(
		LoadJSON(filepath.Join(dir, wire.PlanFile), &b.Plan),
		LoadJSON(filepath.Join(dir, wire.BootFile), &b.Boot),
		LoadJSON(filepath.Join(dir, wire.ExitFile), &b.Exit),
		LoadBytes(filepath.Join(dir, wire.ConsoleFile), &b.Console),
		LoadBytes(filepath.Join(dir, wire.DecodedFile), &b.Decoded),
		LoadBytes(filepath.Join(dir, wire.RecordsFile), &b.Records),
		LoadBytes(filepath.Join(dir, wire.QEMUFile), &b.QEMULog))
	return b, err
}

// LoadBytes reads a file. If the file does not exist, it leaves *into as it is and returns
// nil.
func LoadBytes(path string, into *[]byte) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	*into = text
	return err
}

// LoadJSON reads a file with JSON. If the file does not exist, it leaves *into as it is and
// returns nil.
func LoadJSON[T any](path string, into **T) error {
	var text []byte
	if err := LoadBytes(path, &text); err != nil || text == nil {
		return err
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	*into = v
	return nil
}

// Exists reports whether a path exists. It returns true if that cannot be found out.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// LoadWhole is LoadJSON for a file that wire.WriteJSON wrote. Such a file ends with a
// newline. Without it the file is cut off, which is an error.
func LoadWhole[T any](path string, into **T) error {
	var text []byte
	if err := LoadBytes(path, &text); err != nil || text == nil {
		return err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		return fmt.Errorf("%s is cut off", path)
	}
	return LoadJSON(path, into)
}
