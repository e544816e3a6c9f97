// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"os"

	"timens-vmtest/internal/wire"
)

// Live follows a boot while it runs, and says what seems to be wrong the moment its evidence
// is there. Only Judge gives a verdict, from the whole evidence. The zero value is ready for
// the first record of a boot.
type Live struct {
	test   testRecords
	splats int   // those that were returned
	size   int64 // of the console log when it was last read
}

// Take takes the next record. If the record ends a test, Take returns what became of it.
func (l *Live) Take(r wire.Record) (result TestResult, ended bool) {
	switch r.Type {
	case wire.TypeStart:
		l.test = testRecords{tries: l.test.tries}
	case wire.TypeOutput:
		l.test.output = append(l.test.output, r.Data...)
	case wire.TypeEnd:
		if r.End.Again {
			l.test.tries++
			return TestResult{}, false
		}
		l.test.end = r.End
		result = judgeTest(r.TestID.Name, &l.test, wire.Exit{})
		result.TestID = *r.TestID
		l.test = testRecords{}
		return result, true
	}
	return TestResult{}, false
}

// Splats returns the splats that the console log has and no earlier call has returned,
// without those that are allowed. It reads the log only if the log has grown. The last splat
// may be incomplete, so that its headline is that of the warning and not of the panic that
// follows. A log that cannot be read has none.
func (l *Live) Splats(path string, allow []Allowance) []Splat {
	info, err := os.Stat(path)
	if err != nil || info.Size() == l.size {
		return nil
	}
	l.size = info.Size()
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	all, _, _ := scan(text, nil, allow)
	from := min(l.splats, len(all))
	l.splats = len(all)
	var news []Splat
	for _, s := range all[from:] {
		if s.Allowed == "" {
			news = append(news, s)
		}
	}
	return news
}
