// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// JUnit returns a report for CI systems. Each lane is a suite. One more case, "verdict",
// has the findings that no test can be blamed for. The name of the class has the series, the kernel
// and the lane as well: GitLab does not show the suite, and of two cases with one name it counts
// only the first. It takes the reports of several runs together.
func JUnit(r verdict.Result) ([]byte, error) {
	var suites junit.Testsuites
	what := subject(r.Run)
	for _, l := range r.Lanes {
		s := junit.Testsuite{Name: what + "/" + l.Lane, Time: seconds(l.DurationS)}
		for _, t := range l.Tests {
			c := junit.Testcase{Classname: s.Name + "." + t.Package, Name: t.Name, Time: seconds(t.DurationS)}
			switch {
			case !t.AsExpected():
				c.Failure = &junit.Result{Message: message(t), Data: bounded(t.Output, outputPath(l, t))}
			case t.Status == verdict.Skip:
				c.Skipped = &junit.Result{Message: "skipped, as expected"}
			}
			s.AddTestcase(c)
		}
		suites.AddSuite(s)
	}
	s := junit.Testsuite{Name: what, Time: seconds(r.DurationS())}
	c := junit.Testcase{Classname: what + ".vmtest", Name: "verdict", Time: seconds(0)}
	if r.Verdict != verdict.Passed {
		var texts []string
		for _, f := range r.Findings {
			texts = append(texts, blame(f)+": "+f.Text)
		}
		c.Error = &junit.Result{Message: r.Verdict.String(), Data: look.Harmless(strings.Join(texts, "\n"))}
	}
	s.AddTestcase(c)
	suites.AddSuite(s)
	b := bytes.NewBufferString(xml.Header)
	err := suites.WriteXML(b)
	return b.Bytes(), err
}

// subject names the series and the release of the kernel, such as control/linux-6.12. CI systems
// compare a test with the one that had its name before, so an update of the release does not change
// the name. Jenkins takes what is behind the last dot for the class, and the rest for its package.
func subject(r verdict.Run) string {
	parts := strings.Split(r.Base, ".")
	release := strings.Join(parts[:min(2, len(parts))], ".")
	return named(r.Series, r.Variant) + "/linux-" + orUnknown(release)
}

// message says in one line why a test was not as expected.
func message(t verdict.TestResult) string {
	m := t.Status.String() + ", expected " + t.Expected.String()
	if t.Note != "" {
		m += "; " + t.Note
	}
	if len(t.Telling) > 0 {
		m += ": " + strings.Join(t.Telling, " ... ")
	}
	return look.Harmless(m)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
