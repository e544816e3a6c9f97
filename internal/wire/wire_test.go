// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
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

func TestParseRecordRefuses(t *testing.T) {
	for _, line := range []string{
		``, `{}`, `null`, `[]`, `"start"`,
		`{"seq":0,"type":"pass"}`,
		`{"seq":0,"type":"hello","taint":0}`,
		`{"seq":0,"type":"hello","schema":1,"rtc_s":1}`,
		`{"seq":0,"type":"hello","schema":1,"taint":0}`,
		`{"seq":0,"type":"done","count":1,"key":"k","taint":0}`,
		`{"seq":0,"type":"start","taint":0}`,
		`{"seq":0,"type":"start","package":"p","name":"T"}`,
		`{"seq":0,"type":"output","data":"aGk="}`,
		`{"seq":0,"type":"end","package":"p","name":"T","taint":0}`,
		`{"seq":0,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5,"sysctls":[{"before":"0","after":"1"}],"taint":0}`,
		`{"seq":0,"type":"end","package":"p","name":"T","exit":0,"duration_s":0.5,"sysctls":[{"name":"x","verdict":"pass"}],"taint":0}`,
		`{"seq":0,"type":"counts","path":"kernel/fork.gcda","data":"aGk="}`,
		`{"seq":0,"type":"counts","package":"p","name":"T","data":"aGk="}`,
		`{"seq":0,"type":"counts","package":"p","name":"T","path":"kernel/fork.gcda"}`,
		`{"seq":0,"type":"left","path":"image","key":"k"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","path":"image"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","key":"k"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","path":".","key":"k"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","path":"..","key":"k"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","path":"a/b","key":"k"}`,
		`{"seq":0,"type":"left","package":"p","name":"T","path":"/init","key":"k"}`,
		`{"seq":0,"type":"done","key":"k","taint":0,"rtc_s":0}`,
		`{"seq":0,"type":"done","count":1,"taint":0,"rtc_s":0}`,
		`{"seq":0,"type":"trouble"}`,
		`{"seq":0,"type":"trouble","text":"x","verdict":"pass"}`,
		`{"seq":0,"type":"trouble","text":"x"} {}`,
		`{"seq":0,"type":"trouble","text":"x"`,
	} {
		if r, err := ParseRecord([]byte(line)); err == nil {
			t.Errorf("%s was accepted as %+v", line, r)
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
		"cut":            {mine[:len(mine)-4], nil},
	} {
		if got := GNUBuildID(tc.notes); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
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
}
