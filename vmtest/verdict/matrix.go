// SPDX-License-Identifier: BSD-3-Clause

package verdict

// Matrix is what each patch of a series answered to each step of a check.
type Matrix struct {
	Steps   []string // two may have one name
	Patches []CheckedPatch
}

// CheckedPatch is a line of a Matrix.
type CheckedPatch struct {
	Name    string // of its file
	Subject string
	Cells   []Cell // in the order of the steps
}

// Cell is the answer of a patch to a step.
type Cell struct {
	Answer Answer
	Fault  string // what is wrong; only of Faulty
}

// Answer is what kind of an answer it was. The zero value is the bad case.
type Answer int

// Answers.
const (
	Unasked Answer = iota
	Faultless
	Faulty
	Exempt // the step is about patches, and this is a change that is not committed
)

var answerNames = [...]string{Unasked: "-", Faultless: "ok", Faulty: "FAIL", Exempt: "n/a"}

func (a Answer) String() string { return answerNames[a] }

// MarshalText is String.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Fault is the first cell that is not as it has to be, the patches in order.
func (m Matrix) Fault() (patch, step int, ok bool) {
	for p := range m.Patches {
		for s, cell := range m.Patches[p].Cells {
			if cell.Answer == Faulty {
				return p, s, true
			}
		}
	}
	return 0, 0, false
}

// Verdict is Passed when every cell was answered and has no fault.
func (m Matrix) Verdict() Verdict {
	if _, _, faulty := m.Fault(); faulty {
		return Failed
	}
	cells := 0
	for _, p := range m.Patches {
		for _, cell := range p.Cells {
			if cell.Answer == Unasked {
				return Unjudged
			}
			cells++
		}
	}
	if cells == 0 {
		return Unjudged
	}
	return Passed
}
