// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/order"
	"timens-vmtest/vmtest/verdict"
)

// kernelOf puts a small kernel into a cache, and returns its image.
func kernelOf(t *testing.T, h host.Host, name, text string) kernel.Image {
	t.Helper()
	dir := filepath.Join(h.Cache.Dir, "kernel", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", "-x", "c", "-static", "-nostdlib", "-Wl,-e,main", "-o", filepath.Join(dir, "vmlinux"), "-")
	cmd.Stdin = strings.NewReader(text + "\nint main(void) { return 0; }\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return kernel.Image{Vmlinux: filepath.Join(dir, "vmlinux")}
}

var someTests = []wire.Test{
	{TestID: wire.TestID{Package: "timens", Name: "TestOther"}}, {TestID: wire.TestID{Package: "timens", Name: "TestReaches"}},
	{TestID: wire.TestID{Package: "timens", Name: "TestOffsetsFileFrozen"}}, {TestID: wire.TestID{Package: "timens", Name: "TestLater"}, After: "TestOther"},
}

// ordered is a run of a request on a kernel, and what came of it.
type ordered struct {
	said   string
	order  *verdict.Order
	tests  []string
	runner *runner
}

func arrange(h host.Host, req Request, image kernel.Image) ordered {
	var got said
	h.Report = &got
	r := &runner{Host: h, Request: req}
	p := prepared{image: image, archive: initramfs.Archive{Plan: wire.Plan{Tests: someTests, ID: "plan"}}, planID: "plan"}
	p.tree.Base, p.tree.Series = source.Base{Version: "6.12.1", Dir: "base"}, req.Series
	var record verdict.Run
	r.arrange(&p, &record)
	r.made = &p
	o := ordered{said: strings.Join(got, "\n"), order: record.Order, runner: r}
	for _, t := range p.archive.Plan.Tests {
		o.tests = append(o.tests, t.Name)
	}
	return o
}

func TestArrange(t *testing.T) {
	h := hosttest.New(t)
	req := Request{Series: series.Series{Name: "control"}, Order: Likely, Lanes: []string{wire.Real}}
	old := kernelOf(t, h, "old", "int reached(void) { return 1; }\nint proc_timens_set_offset(void) { return 1; }")
	broken := kernelOf(t, h, "broken", "int reached(void) { return 1; }\nint proc_timens_set_offset(void) { return 2; }")
	reached := kernelOf(t, h, "reached", "int reached(void) { return 2; }\nint proc_timens_set_offset(void) { return 1; }")
	same := kernelOf(t, h, "same", "int proc_timens_set_offset(void) { return 1; }\nint reached(void) { return 1; }")
	elsewhere := kernelOf(t, h, "elsewhere", "int reached(void) { return 1; }\nint proc_timens_set_offset(void) { return 1; }\nint unknown(void) { return 3; }")
	inSource := []string{"TestOther", "TestReaches", "TestOffsetsFileFrozen", "TestLater"}
	plain := func(what string, o ordered, says string) {
		t.Helper()
		if !slices.Equal(o.tests, inSource) || o.order != nil || !strings.Contains(o.said, says) || says == "" && o.said != "" {
			t.Errorf("%s: got %q, %+v and %q, want the order of the sources and %q", what, o.tests, o.order, o.said, says)
		}
	}
	first := func(what string, o ordered, want string) {
		t.Helper()
		all := slices.Clone(o.tests)
		slices.Sort(all)
		if o.tests[0] != want || o.order == nil || o.order.First < 1 || o.tests[len(o.tests)-1] != "TestLater" || !slices.Equal(all, slices.Sorted(slices.Values(inSource))) {
			t.Errorf("%s: got %q, %+v and %q, want %s first and no test less", what, o.tests, o.order, o.said, want)
		}
	}
	began := verdict.Result{Verdict: verdict.Passed, Run: verdict.Run{Began: "2026-01-02T03:04:05Z"}}

	plain("no run has passed", arrange(h, req, broken), "")
	arrange(h, req, old).runner.learn(verdict.Result{Verdict: verdict.Failed})
	plain("a run has failed", arrange(h, req, broken), "")
	arrange(h, req, old).runner.learn(began)
	first("a function is broken", arrange(h, req, broken), "TestOffsetsFileFrozen")
	if o := arrange(h, req, broken).order; o.Passed != began.Run.Began || o.Series != "control" || !slices.Equal(o.Changed, []string{"proc_timens_set_offset"}) {
		t.Errorf("the run says %+v of its order", o)
	}
	plain("the kernel that passed", arrange(h, req, old), "there is nothing new to test: this is the kernel of control that passed")
	plain("functions that have moved", arrange(h, req, same), "no function and no data differs")
	plain("a function that no test is known for", arrange(h, req, elsewhere), "")
	plain("without a map", arrange(h, req, reached), "")

	with := func(change func(*Request)) Request {
		other := req
		change(&other)
		return other
	}
	first("another series", arrange(h, with(func(r *Request) { r.Series.Name = "mine" }), broken), "TestOffsetsFileFrozen")
	plain("in the order of the sources", arrange(h, with(func(r *Request) { r.Order = BySource }), old), "")
	plain("without the breaks", arrange(h, with(func(r *Request) { r.Order = Reached }), broken), "")
	plain("other tests", arrange(h, with(func(r *Request) { r.Match = regexp.MustCompile("T") }), broken), "")
	plain("another lane", arrange(h, with(func(r *Request) { r.Lanes = []string{wire.Virtual} }), broken), "")
	plain("another configuration", arrange(h, with(func(r *Request) { r.Make = []string{"W=1"} }), broken), "")

	if o := arrange(h, with(func(r *Request) { r.Order = Suspected + "unknown,proc_timens_set_offset" }), old); o.order == nil || o.order.Passed != "" || !slices.Equal(o.order.Changed, []string{"unknown", "proc_timens_set_offset"}) {
		t.Errorf("a function is suspected: the run says %+v of its order", o.order)
	} else {
		first("a function is suspected", o, "TestOffsetsFileFrozen")
	}
	plain("no test is known for what is suspected", arrange(h, with(func(r *Request) { r.Order = Suspected + "unknown" }), broken), "")
	unusual := arrange(h, with(func(r *Request) { r.Guest.Append = []string{"vmtest.mutant=1"} }), broken)
	unusual.runner.learn(began)
	first("a guest that is not standard has passed", arrange(h, req, broken), "TestOffsetsFileFrozen")

	forgetful := arrange(h, with(func(r *Request) { r.Forget = true }), broken)
	forgetful.runner.learn(began)
	first("a kernel that is deleted", arrange(h, req, broken), "TestOffsetsFileFrozen")
}

// A map that is wrong costs time, and never a test.
func TestWrongMap(t *testing.T) {
	h := hosttest.New(t)
	req := Request{Series: series.Series{Name: "mine"}, Order: Likely, Lanes: []string{wire.Real}}
	arrange(h, req, kernelOf(t, h, "old", "int reached(void) { return 1; }\nint proc_timens_set_offset(void) { return 1; }")).runner.learn(verdict.Result{Verdict: verdict.Passed})
	image := kernelOf(t, h, "new", "int reached(void) { return 2; }\nint proc_timens_set_offset(void) { return 2; }")
	good := order.NewMap("6.12.1", "mine", map[string][]string{"timens.TestReaches": {"reached"}, "timens.TestOther": nil})
	stale := order.NewMap("6.12.1", "mine", map[string][]string{"timens.TestGone": {"reached"}, "timens.TestOther": nil})
	later := good
	later.Schema++
	damaged := good
	damaged.Reach = map[string]string{"reached": "7"}
	for what, tc := range map[string]struct {
		file string
		m    any
		want string // the test that comes first
		says string
	}{
		"right":         {"6.12.1-mine.json", good, "TestReaches", ""},
		"of control":    {"6.12.1-control.json", good, "TestReaches", ""},
		"stale":         {"6.12.1-mine.json", stale, "TestOffsetsFileFrozen", ""},
		"of later days": {"6.12.1-mine.json", later, "TestOffsetsFileFrozen", "the map has schema 2"},
		"damaged":       {"6.12.1-mine.json", damaged, "TestOffsetsFileFrozen", "record the map again"},
		"no map":        {"6.12.1-mine.json", []int{1}, "TestOffsetsFileFrozen", "record the map again"},
		"of others":     {"7.3.4-mine.json", good, "TestOffsetsFileFrozen", ""},
	} {
		dir := filepath.Join(h.Cache.Dir, "map")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := cache.WriteJSON(filepath.Join(dir, tc.file), tc.m); err != nil {
			t.Fatal(err)
		}
		o := arrange(h, req, image)
		if o.tests[0] != tc.want || len(o.tests) != len(someTests) || !strings.Contains(o.said, tc.says) {
			t.Errorf("%s: got %q and %q, want %s first and %q", what, o.tests, o.said, tc.want, tc.says)
		}
	}
}

// A time is kept until it has doubled or halved.
func TestLearnSeconds(t *testing.T) {
	h := hosttest.New(t)
	r := &runner{Host: h, Request: Request{Order: Likely}}
	for _, took := range []map[string]float64{{"a": 1, "b": 1, "c": 1}, {"a": 1.9, "b": 2.1, "d": 0.1}, {"c": 0.3}} {
		r.learnSeconds(wire.Real, took, false)
	}
	r.learnSeconds(wire.Real, map[string]float64{"a": 9, "e": 2}, true) // beside other guests
	got, err := r.seconds(wire.Real)
	if want := map[string]float64{"a": 1, "b": 2.1, "c": 0.3, "d": 0.1, "e": 2}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if other, err := r.seconds(wire.Virtual); err != nil || len(other) != 0 {
		t.Errorf("the other lane has %v, %v", other, err)
	}
	if err := os.WriteFile(r.secondsFile(wire.Real), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := r.seconds(wire.Real); err == nil {
		t.Errorf("a damaged file is read as %v", got)
	}
	r.learnSeconds(wire.Real, map[string]float64{"a": 3}, false)
	if got, err := r.seconds(wire.Real); err != nil || got["a"] != 3 {
		t.Errorf("behind a damaged file: got %v, %v", got, err)
	}
}
