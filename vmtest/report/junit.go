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
// has the findings that no test can be blamed for. The name of the class has the lane as well:
// GitLab does not show the suite, and of two cases with one name it counts only the first.
func JUnit(r verdict.Result) ([]byte, error) {
	var suites junit.Testsuites
	for _, l := range r.Lanes {
		s := junit.Testsuite{Name: r.Run.Series + "/" + l.Lane, Time: seconds(l.DurationS)}
		for _, t := range l.Tests {
			c := junit.Testcase{Classname: l.Lane + "/" + t.Package, Name: t.Name, Time: seconds(t.DurationS)}
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
	s := junit.Testsuite{Name: r.Run.Series, Time: seconds(r.DurationS())}
	c := junit.Testcase{Classname: "vmtest", Name: "verdict", Time: seconds(0)}
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
