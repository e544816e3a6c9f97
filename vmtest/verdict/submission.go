// SPDX-License-Identifier: BSD-3-Clause

package verdict

// Submission is what is known of a series before it is sent.
type Submission struct {
	Series    string
	Base      string     // version
	Origin    string     // of the base
	Local     bool       // the last patch of the matrix is what is not committed
	Toolchain []string   // a line a tool
	Matrix    Matrix     // patch by patch
	Whole     bool       // Tests and Coverage were asked for: no patch has a fault, or it was to go on
	Tests     Comparison // without and with the series
	Coverage  Result     // a run that counted; zero if Countless
	Countless bool       // the series touches no C file of the kernel, whose lines could be counted

	ABI         []string   // what changes for user space
	Maintainers []string   // addresses
	Commands    [][]string // that do all this, and its parts
	TookS       float64
}

// Verdict is Passed when the patches, the tests and the coverage are. A patch
// with a fault is what there is to say before all else.
func (s Submission) Verdict() Verdict {
	v := s.Matrix.Verdict()
	if v != Passed {
		return v
	}
	v = s.Tests.Verdict
	if !s.Countless {
		v = v.Worse(s.Coverage.Verdict)
	}
	return v
}
