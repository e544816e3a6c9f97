// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"strings"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// failures shows a test that is not as expected, and a splat of the kernel, the moment its
// evidence is there. The verdict comes from the judge, at the end.
func (l *lane) failures(r wire.Record) {
	t, ended := l.seen.Take(r)
	if !ended {
		return
	}
	l.splats()
	if verdict.Expects(l.expect, t) {
		l.took[t.TestID.String()] = time.Since(l.began).Seconds()
		return
	}
	text := t.Status.String()
	if t.Status == verdict.Pass {
		text += " unexpectedly"
	}
	if t.Note != "" {
		text += " (" + t.Note + ")"
	}
	l.Report.Step("%s", strings.Join(append([]string{l.label() + " " + t.TestID.String() + ": " + text}, t.Telling...), "\n    "))
	l.failed()
}

// splats shows the splats that are new in the console log of the boot.
func (l *lane) splats() {
	for _, s := range l.seen.Splats(l.console, l.allow) {
		during := "outside the tests"
		if s.Test != "" {
			during = "during " + s.Test
		}
		l.Report.Step("%s splat %s: %s", l.label(), during, s.Text)
		l.failed()
	}
}

// failed ends all lanes if the run is to stop at the first failure.
func (l *lane) failed() {
	if l.stop != nil {
		l.stop()
	}
}
