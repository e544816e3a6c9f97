// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A trace belongs to the test that was not as expected. It decides nothing, even if it cannot be
// read or is larger than any that our guest writes.
func TestTrace(t *testing.T) {
	huge := strings.Repeat("x", 3*wire.TraceLimit)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"a trace":    {zipped(t, "copy_time_ns();\n"), "copy_time_ns();\n"},
		"not zipped": {[]byte("copy"), ""},
		"cut off":    {zipped(t, "")[:15], ""},
		"huge":       {zipped(t, huge), huge[:2*wire.TraceLimit]},
	} {
		for _, fails := range []bool{false, true} {
			e := greenRun()
			s := greenScript()
			const output, end = 3, 4
			if fails {
				s[output].Data, s[end].Exit = []byte(strings.ReplaceAll(passLine(testA), "PASS", "FAIL")), 1
			}
			s = slices.Insert(s, end, wire.Record{Type: wire.TypeTrace, TestID: &testA, Data: tc.data})
			e.Lanes[0].Boots[0].Records = s.bytes()
			r := Judge(e)
			want, verdict, count := "", Passed, 0
			if fails {
				want, verdict, count = tc.want, Failed, 1
			}
			if got := r.Lanes[0].Tests[0].Trace; got != want || r.Verdict != verdict || len(r.Findings) != count {
				t.Errorf("%s, fails %v: got a trace of %d bytes, %v %v; want %d bytes, %v", name, fails, len(got), r.Verdict, r.Findings, len(want), verdict)
			}
		}
	}
}

// A test can have one trace, and only while it runs.
func TestTraceOutOfPlace(t *testing.T) {
	const end, startB = 4, 5
	trace := wire.Record{Type: wire.TypeTrace, TestID: &testA, Data: []byte("x")}
	for name, s := range map[string]script{
		"twice":      slices.Insert(greenScript(), end, trace, trace),
		"behind end": slices.Insert(greenScript(), startB, trace),
	} {
		e := greenRun()
		e.Lanes[0].Boots[0].Records = s.bytes()
		want := map[string]string{"twice": "records.jsonl:6: a second trace of p.TestA", "behind end": "records.jsonl:6: trace of p.TestA, which does not run"}[name]
		if r := Judge(e); r.Verdict != Unjudged || r.Findings[0].Text != want {
			t.Errorf("%s: got %v %v, want %s", name, r.Verdict, r.Findings, want)
		}
	}
}
