// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseRecord(t *testing.T) {
	for _, line := range []string{
		`{"seq":0,"type":"hello","schema":1,"plan_id":"p","taint":0,"rtc_s":1}`,
		`{"seq":1,"type":"start","package":"p","name":"T","taint":0,"uptime_s":1.5}`,
		`{"seq":2,"type":"output","package":"p","name":"T","data":"aGk="}`,
		`{"seq":3,"type":"end","package":"p","name":"T","exit":1,"duration_s":0.5,"taint":0}`,
		`{"seq":3,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5,"left_processes":2,"left_names":["sh"],"sysctls":[{"name":"kernel/x","before":"0","after":"1","stays":true}],"taint":0}`,
		`{"seq":4,"type":"done","count":1,"key":"k","taint":0,"rtc_s":0}`,
		`{"seq":5,"type":"trouble","text":"no"}`,
		`{"seq":5,"type":"trace","package":"p","name":"T","data":"aGk="}`,
		`{"seq":6,"type":"counts","package":"p","name":"T","path":"kernel/fork.gcda","data":"aGk="}`,
		`{"seq":7,"type":"left","package":"p","name":"T","path":"image.json","data":"aGk=","key":"k","taint":0}`,
		`{"seq":7,"type":"left","package":"p","name":"T","path":"empty","key":"k"}`,
	} {
		r, err := ParseRecord([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := ParseRecord(again); err != nil || !reflect.DeepEqual(same, r) {
			t.Errorf("%s became %s: %v", line, again, err)
		}
	}
}

// An error names the record and what it lacks: a kernel or a test may have written between the
// lines of uinit.
func TestParseRecordRefuses(t *testing.T) {
	for line, want := range map[string]string{
		``: "record: EOF", `{}`: `record 0: unknown type ""`, `null`: `record 0: unknown type ""`, `[]`: "record: json: ", `"start"`: "record: json: ",
		`{"seq":7,"type":"pass"}`:                                                   `record 7: unknown type "pass"`,
		`{"seq":0,"type":"hello","taint":0,"rtc_s":1}`:                              "record 0: hello without its facts",
		`{"seq":0,"type":"hello","schema":1,"rtc_s":1}`:                             "record 0: hello without its facts",
		`{"seq":0,"type":"hello","schema":1,"taint":0}`:                             "record 0: hello without its facts",
		`{"seq":1,"type":"start","taint":0}`:                                        "record 1: start without its test or taint",
		`{"seq":1,"type":"start","package":"p","name":"T"}`:                         "record 1: start without its test or taint",
		`{"seq":2,"type":"output","data":"aGk="}`:                                   "record 2: output without its test",
		`{"seq":3,"type":"end","exit":0,"duration_s":0.5,"taint":0}`:                "record 3: end without its test, exit or taint",
		`{"seq":3,"type":"end","package":"p","name":"T","taint":0}`:                 "record 3: end without its test, exit or taint",
		`{"seq":3,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5}`: "record 3: end without its test, exit or taint",
		`{"seq":3,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5,"sysctls":[{"before":"0","after":"1"}],"taint":0}`:    "record 3: end without its name of a sysctl",
		`{"seq":3,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5,"sysctls":[{"name":"x","verdict":"pass"}],"taint":0}`: `record: json: unknown field "verdict"`,
		`{"seq":4,"type":"counts","path":"kernel/fork.gcda","data":"aGk="}`:                                                             "record 4: counts without its test, path or data",
		`{"seq":4,"type":"counts","package":"p","name":"T","data":"aGk="}`:                                                              "record 4: counts without its test, path or data",
		`{"seq":4,"type":"counts","package":"p","name":"T","path":"kernel/fork.gcda"}`:                                                  "record 4: counts without its test, path or data",
		`{"seq":5,"type":"trace","data":"aGk="}`:                                                                                        "record 5: trace without its test or data",
		`{"seq":5,"type":"trace","package":"p","name":"T"}`:                                                                             "record 5: trace without its test or data",
		`{"seq":6,"type":"left","path":"image","key":"k"}`:                                                                              "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","path":"image"}`:                                                               "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","key":"k"}`:                                                                    "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","path":".","key":"k"}`:                                                         "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","path":"..","key":"k"}`:                                                        "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","path":"a/b","key":"k"}`:                                                       "record 6: left without its test, key or plain name",
		`{"seq":6,"type":"left","package":"p","name":"T","path":"/init","key":"k"}`:                                                     "record 6: left without its test, key or plain name",
		`{"seq":8,"type":"done","key":"k","taint":0,"rtc_s":0}`:                                                                         "record 8: done without its count, key, taint or clock",
		`{"seq":8,"type":"done","count":1,"taint":0,"rtc_s":0}`:                                                                         "record 8: done without its count, key, taint or clock",
		`{"seq":8,"type":"done","count":1,"key":"k","rtc_s":0}`:                                                                         "record 8: done without its count, key, taint or clock",
		`{"seq":8,"type":"done","count":1,"key":"k","taint":0}`:                                                                         "record 8: done without its count, key, taint or clock",
		`{"seq":9,"type":"trouble"}`:                                                                                                    "record 9: trouble without its text",
		`{"seq":9,"type":"trouble","text":"x","verdict":"pass"}`:                                                                        `record: json: unknown field "verdict"`,
		`{"seq":9,"type":"trouble","text":"x"} {}`:                                                                                      "record: text after the JSON value",
		`{"seq":9,"type":"trouble","text":"x"`:                                                                                          "record: unexpected EOF",
	} {
		r, err := ParseRecord([]byte(line))
		if err == nil || !strings.HasPrefix(err.Error(), want) || !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: got %+v, %v, want no record and the error %s", line, r, err, want)
		}
	}
}

func TestTestBinary(t *testing.T) {
	for pkg, want := range map[string]string{"timens": "/tests/timens.test", "timens/386": "/tests/386/timens.test"} {
		if got := TestBinary(pkg); got != want {
			t.Errorf("%s: %s, want %s", pkg, got, want)
		}
	}
}

func TestGNUBuildID(t *testing.T) {
	note := func(name string, kind byte, desc ...byte) []byte {
		b := []byte{byte(len(name)), 0, 0, 0, byte(len(desc)), 0, 0, 0, kind, 0, 0, 0}
		for _, part := range [][]byte{[]byte(name), desc} {
			b = append(b, part...)
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
		}
		return b
	}
	id := []byte{1, 2, 3, 4, 5}
	mine := note("GNU\x00", 3, id...)
	for name, tc := range map[string]struct{ notes, want []byte }{
		"alone":          {mine, id},
		"behind another": {append(note("Xen\x00", 3, 9, 9), mine...), id},
		"other kind":     {note("GNU\x00", 1, id...), nil},
		"none":           {nil, nil},
	} {
		if got := GNUBuildID(tc.notes); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	// Of any length, and cut at any byte.
	for n := 1; n <= 20; n++ {
		id := bytes.Repeat([]byte{7}, n)
		notes := append(note("Linux\x00", 3, id[1:]...), note("GNU\x00", 3, id...)...)
		if got := GNUBuildID(append(notes, note("Xen\x00", 3, 9)...)); !bytes.Equal(got, id) {
			t.Errorf("an ID of %d bytes: got %v", n, got)
		}
		for cut := range notes {
			if got := GNUBuildID(notes[:cut]); got != nil {
				t.Errorf("an ID of %d bytes, cut at byte %d of %d: got %v", n, cut, len(notes), got)
			}
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"seq":3,"type":"end","package":"p","name":"T","exit":1,"duration_s":0.5,"taint":0}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		switch r.Type { // the judge dereferences these
		case TypeHello:
			_ = r.Hello.PlanID
		case TypeStart, TypeOutput, TypeLeft, TypeCounts, TypeTrace:
			_ = r.TestID.Name
		case TypeEnd:
			_, _ = r.TestID.Name, r.End.Exit
		case TypeDone:
			_ = *r.Count
		}
	})
}

func FuzzGNUBuildID(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00ab\x00\x00"))
	f.Fuzz(func(t *testing.T, notes []byte) { GNUBuildID(notes) })
}

func TestPlanIn(t *testing.T) {
	a, b, c := TestID{"p", "TestA"}, TestID{"p/386", "TestA"}, TestID{"p", "TestC"}
	p := Plan{ID: "x", Tests: []Test{{TestID: a}, {TestID: b, Lane: Virtual}}, Filtered: []TestID{c}}
	for lane, want := range map[string]Plan{
		Real:    {ID: "x", Tests: p.Tests[:1], Filtered: []TestID{c, b}},
		Virtual: {ID: "x", Tests: p.Tests, Filtered: []TestID{c}},
	} {
		for range 2 { // the second time shows that In has not changed p
			if got := p.In(lane); !reflect.DeepEqual(got, want) {
				t.Errorf("in lane %s: got %+v, want %+v", lane, got, want)
			}
		}
	}
	// The plans of two lanes share nothing that the other can change.
	p.Tests[0].Lane, p.Filtered = Real, slices.Grow(p.Filtered, 8)
	inReal, inVirtual := p.In(Real), p.In(Virtual)
	if !slices.Equal(inReal.Filtered, []TestID{c, b}) || !slices.Equal(inVirtual.Filtered, []TestID{c, a}) {
		t.Errorf("the tests of other lanes are %v and %v, want %s and %s", inReal.Filtered, inVirtual.Filtered, b, a)
	}
}

// The guest reads the number that the host has written, and takes nothing else for one.
func TestOverdue(t *testing.T) {
	for _, seq := range []int{0, 7, 12345} {
		line := Overdue(seq)
		if got, err := ParseOverdue(line); got != seq || err != nil || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("%d became %q, and that %d, %v", seq, line, got, err)
		}
	}
	for _, line := range []string{"", "overdue", "overdue x", "7", "due 7"} {
		if got, err := ParseOverdue([]byte(line)); err == nil {
			t.Errorf("%q was taken for %d", line, got)
		}
	}
}

// Each limit lets evidence through, and bounds what one test can make the host store. A checked
// kernel gets the time that docs/lanes.md promises.
func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct{ got, least, most int }{
		"output":          {OutputLimit, 256 << 10, 256 << 10}, // stored outputs lack what came behind these bytes
		"tail of output":  {OutputTail, 1 << 10, OutputLimit / 2},
		"a file left":     {CarriedLimit, 64 << 10, 1 << 20},
		"a trace":         {TraceLimit, 256 << 10, 4 << 20},
		"names":           {LeftNames, 3, 20},
		"checked kernels": {CheckedFactor, 6, 6},
	} {
		if tc.got < tc.least || tc.got > tc.most {
			t.Errorf("%s: %d, want %d to %d", name, tc.got, tc.least, tc.most)
		}
	}
}
