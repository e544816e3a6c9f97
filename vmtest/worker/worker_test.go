// SPDX-License-Identifier: BSD-3-Clause

package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"timens-vmtest/internal/host"
)

// job is an item that takes so many seconds.
type job struct {
	seconds, memoryMB int
	kernel            string
}

// itemsOf returns the items a, b, c, ... of some jobs.
func itemsOf(jobs []job) []Item {
	var all []Item
	for i, j := range jobs {
		all = append(all, Item{Name: string(rune('a' + i)), MemoryMB: j.memoryMB, Kernel: j.kernel, Run: func(ctx context.Context, _ Share) error {
			select {
			case <-time.After(time.Duration(j.seconds) * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
	}
	return all
}

// schedule works through items, and returns which began (+a) and which ended (-a) at each second. The
// clock is that of a bubble of synctest, so it depends on no machine.
func schedule(ctx context.Context, w Worker, items []Item) string {
	began := time.Now()
	var log []string
	last := -1
	say := func(format string, args ...any) {
		if now := int(time.Since(began) / time.Second); now != last {
			log, last = append(log, fmt.Sprintf("%d:", now)), now
		}
		log = append(log, fmt.Sprintf(format, args...))
	}
	more := w.Begin
	w.Begin = func(i int) bool {
		if more != nil && !more(i) {
			return false
		}
		say("+%s", items[i].Name)
		return true
	}
	for i, err := range w.Work(ctx, items) {
		switch {
		case errors.Is(err, ErrNotRun):
			say("%s not run", items[i].Name)
		case err != nil:
			say("-%s (%v)", items[i].Name, err)
		default:
			say("-%s", items[i].Name)
		}
	}
	return strings.Join(log, " ")
}

// free is a machine with so many MB of memory that nothing takes.
func free(mb int) func() (int, error) { return func() (int, error) { return mb, nil } }

// Items begin in their order, as many at the same time as may and as there is memory for.
func TestSchedule(t *testing.T) {
	three := []job{{seconds: 3}, {seconds: 1}, {seconds: 1}}
	sized := []job{{seconds: 3, memoryMB: 60}, {seconds: 5, memoryMB: 60}, {seconds: 1, memoryMB: 30}, {seconds: 1, memoryMB: 500}, {seconds: 1, memoryMB: 30}}
	for name, tc := range map[string]struct {
		worker Worker
		jobs   []job
		want   string
	}{
		"none":             {Worker{Jobs: 2}, nil, ""},
		"one at a time":    {Worker{}, three, "0: +a 3: -a +b 4: -b +c 5: -c"},
		"two at a time":    {Worker{Jobs: 2}, three, "0: +a +b 1: -b +c 2: -c 3: -a"},
		"more than items":  {Worker{Jobs: 9}, []job{{seconds: 2}, {seconds: 1}}, "0: +a +b 1: -b 2: -a"},
		"much memory":      {Worker{Jobs: 3, Free: free(10000)}, sized, "0: +a +b +c 1: -c +d 2: -d +e 3: -e -a 5: -b"},
		"little memory":    {Worker{Jobs: 3, Free: free(100)}, sized, "0: +a 3: -a +b +c 4: -c 8: -b +d 9: -d +e 10: -e"},
		"no memory at all": {Worker{Jobs: 3, Free: free(0)}, sized, "0: +a 3: -a +b 8: -b +c 9: -c +d 10: -d +e 11: -e"},
		"unknown memory":   {Worker{Jobs: 3, Free: func() (int, error) { return 10000, errors.New("no /proc") }}, []job{{3, 1, ""}, {1, 1, ""}, {1, 1, ""}}, "0: +a 3: -a +b 4: -b +c 5: -c"},
		"equal kernels":    {Worker{Jobs: 2}, []job{{4, 0, "x"}, {1, 0, "x"}, {1, 0, "y"}, {7, 0, "z"}}, "0: +a +c 1: -c +d 4: -a +b 5: -b 8: -d"},
		"a kernel that is there": {Worker{Jobs: 2}, []job{{1, 0, "x"}, {3, 0, "x"}, {4, 0, "x"}, {2, 0, "x"}},
			"0: +a +b 1: -a +c 3: -b +d 5: -d -c"},
		"a kernel that was built": {Worker{Jobs: 2}, []job{{1, 0, "x"}, {2, 0, "z"}, {3, 0, "x"}, {1, 0, "x"}, {2, 0, "y"}},
			"0: +a +b 1: -a +c 2: -b +d 3: -d +e 4: -c 5: -e"},
		"nothing else to begin": {Worker{Jobs: 2}, []job{{2, 0, "x"}, {1, 0, "x"}}, "0: +a +b 1: -b 2: -a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Two that end in the same second may do so in either order.
				got := strings.Replace(schedule(t.Context(), tc.worker, itemsOf(tc.jobs)), "-a -e", "-e -a", 1)
				got = strings.Replace(got, "-c -d", "-d -c", 1)
				if got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// Two items of one folder never run at the same time. Where only one can run, it gets all cores.
func TestFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := itemsOf([]job{{seconds: 3}, {seconds: 2}, {seconds: 1}, {seconds: 1}, {seconds: 1}})
		cores := make([]int, len(items))
		for i, folder := range []string{"x", "x", "y", "", "x"} {
			run := items[i].Run
			items[i].Folder = folder
			items[i].Run = func(ctx context.Context, s Share) error {
				cores[i] = s.Cores
				return run(ctx, s)
			}
		}
		got := schedule(t.Context(), Worker{Jobs: 2, Cores: 8}, items)
		if want := "0: +a +c 1: -c +d 2: -d 3: -a +b 5: -b +e 6: -e"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if want := []int{4, 8, 4, 4, 8}; !slices.Equal(cores, want) {
			t.Errorf("they had %v cores, want %v", cores, want)
		}
	})
}

// An item begins when the one before it has ended, and others begin meanwhile. An item that is after none of
// the list waits for nothing.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := itemsOf([]job{{seconds: 1}, {seconds: 3}, {seconds: 1}, {seconds: 1}, {seconds: 2}})
		items[0].Folder, items[1].Folder = "x", "x"
		items[2].After, items[3].After, items[4].After = "b", "a", "another"
		got := schedule(t.Context(), Worker{Jobs: 2}, items)
		if want := "0: +a +e 1: -a +b 2: -e +d 3: -d 4: -b +c 5: -c"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// What programs take that do not belong to the list counts, too: the memory is looked at before
// each item.
func TestMemoryOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := Worker{Jobs: 2, Free: func() (int, error) {
			if time.Since(began) >= time.Second {
				return 50, nil
			}
			return 1000, nil
		}}
		got := schedule(t.Context(), w, itemsOf([]job{{1, 60, ""}, {3, 60, ""}, {1, 60, ""}}))
		if want := "0: +a +b 1: -a 3: -b +c 4: -c"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// An item that fails, and one that panics, stop no other. The panic is told with where it was.
func TestFailures(t *testing.T) {
	for n := range 3 {
		items := itemsOf([]job{{}, {}, {}, {}})
		bad := errors.New("bad")
		items[0].Run = func(context.Context, Share) error { return bad }
		items[2].Run = func(context.Context, Share) error { panic("oops") }
		ended := make([]error, len(items))
		for i, err := range (Worker{Jobs: n}).Work(t.Context(), items) {
			ended[i] = err
		}
		p, ok := errors.AsType[*Panic](ended[2])
		if ended[0] != bad || ended[1] != nil || ended[3] != nil || !ok {
			t.Fatalf("-jobs %d: got %v", n, ended)
		}
		if p.Item != "c" || p.Value != "oops" || !strings.Contains(p.Error(), "c: panic: oops\n") || !strings.Contains(p.Error(), "worker.TestFailures") {
			t.Errorf("-jobs %d: the panic is %v", n, p)
		}
	}
}

// When the context ends, what runs is ended, and what has not begun is not run. Work has no
// goroutine left.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		items := itemsOf([]job{{seconds: 1}, {seconds: 9}, {seconds: 9}, {seconds: 9}})
		slow := items[2].Run
		items[2].Run = func(ctx context.Context, s Share) error { // it needs a while to end what it has begun
			err := slow(ctx, s)
			time.Sleep(3 * time.Second)
			return err
		}
		want := "0: +a +b 1: -a +c 2: -b (context canceled) 5: -c (context canceled) d not run"
		if got := schedule(ctx, Worker{Jobs: 2}, items); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := schedule(ctx, Worker{Jobs: 2}, items); got != "0: a not run b not run c not run d not run" {
			t.Errorf("after the end: %s", got)
		}
	})
}

// Who leaves the loop, even by a panic, gets the machine back: nothing runs any more.
func TestLeft(t *testing.T) {
	for name, leave := range map[string]func(){"break": func() {}, "panic": func() { panic("oops") }} {
		synctest.Test(t, func(t *testing.T) {
			ran := make(map[string]string)
			items := itemsOf([]job{{seconds: 1}, {seconds: 5}, {seconds: 5}})
			for i := range items {
				run := items[i].Run
				items[i].Run = func(ctx context.Context, s Share) error {
					err := run(ctx, s)
					ran[items[i].Name] = fmt.Sprint(err)
					return err
				}
			}
			func() {
				defer func() {
					if v := recover(); (v != nil) != (name == "panic") {
						t.Errorf("%s: recovered %v", name, v)
					}
				}()
				for range (Worker{Jobs: 2}).Work(t.Context(), items) {
					leave()
					break
				}
			}()
			if got := fmt.Sprint(ran); got != "map[a:<nil> b:context canceled]" {
				t.Errorf("%s: got %s", name, got)
			}
		})
	}
}

// Begin can end the list. What runs then goes on.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Worker{Jobs: 2, Begin: func(i int) bool { return i < 2 }}
		got := schedule(t.Context(), w, itemsOf([]job{{seconds: 1}, {seconds: 3}, {seconds: 1}, {seconds: 1}}))
		if want := "0: +a +b 1: -a 3: -b c not run d not run"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// In order, an item that has ended waits for those before it.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []string
		for i, err := range InOrder((Worker{Jobs: 3}).Work(t.Context(), itemsOf([]job{{seconds: 4}, {seconds: 1}, {seconds: 2}, {seconds: 5}}))) {
			got = append(got, fmt.Sprint(time.Since(began), " ", i, " ", err))
		}
		if want := []string{"4s 0 <nil>", "4s 1 <nil>", "4s 2 <nil>", "6s 3 <nil>"}; !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		for i := range InOrder((Worker{Jobs: 3}).Work(t.Context(), itemsOf([]job{{seconds: 4}, {seconds: 9}}))) {
			if i != 0 {
				t.Error("the loop goes on")
			}
			break
		}
	})
}

// The items that run share the cores, and one that is alone has all of them.
func TestShares(t *testing.T) {
	for name, tc := range map[string]struct {
		worker Worker
		jobs   []job
		cores  []int
		beside []bool
	}{
		"one at a time":     {Worker{Cores: 8}, []job{{seconds: 1}, {seconds: 1}}, []int{8, 8}, []bool{false, false}},
		"two at a time":     {Worker{Jobs: 2, Cores: 8}, []job{{seconds: 1}, {seconds: 3}, {seconds: 4}, {seconds: 2}, {seconds: 1}}, []int{4, 4, 4, 4, 4}, []bool{true, true, true, true, true}},
		"the last alone":    {Worker{Jobs: 2, Cores: 8, Free: free(100)}, []job{{1, 50, ""}, {2, 50, ""}, {3, 80, ""}}, []int{4, 4, 8}, []bool{true, true, false}},
		"fewer items":       {Worker{Jobs: 8, Cores: 8}, []job{{seconds: 1}, {seconds: 2}}, []int{4, 4}, []bool{true, true}},
		"more than cores":   {Worker{Jobs: 3, Cores: 2}, []job{{seconds: 3}, {seconds: 2}, {seconds: 1}}, []int{1, 1, 1}, []bool{true, true, true}},
		"too little memory": {Worker{Jobs: 4, Cores: 8, Free: free(100)}, []job{{1, 50, ""}, {2, 50, ""}, {3, 80, ""}, {1, 10, ""}}, []int{4, 4, 4, 4}, []bool{true, true, true, true}},
		"this machine":      {Worker{}, []job{{seconds: 1}}, []int{runtime.GOMAXPROCS(0)}, []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cores, beside := make([]int, len(tc.jobs)), make([]bool, len(tc.jobs))
				items := itemsOf(tc.jobs)
				for i := range items {
					run := items[i].Run
					items[i].Run = func(ctx context.Context, s Share) error {
						cores[i], beside[i] = s.Cores, s.Beside
						if s.Item != items[i].Name {
							t.Errorf("%s has the share of %s", items[i].Name, s.Item)
						}
						return run(ctx, s)
					}
				}
				for _, err := range tc.worker.Work(t.Context(), items) {
					if err != nil {
						t.Error(err)
					}
				}
				if !slices.Equal(cores, tc.cores) || !slices.Equal(beside, tc.beside) {
					t.Errorf("got %v, %v, want %v, %v", cores, beside, tc.cores, tc.beside)
				}
			})
		})
	}
}

// steps keeps what is said.
type steps struct{ said []string }

func (s *steps) Step(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func (s *steps) Note(text string) { s.Step("%s", text) }

func (s *steps) Count(what string, _, _ int, _ string) { s.said = append(s.said, "count "+what) }

// Beside others an item says which one it is.
func TestOf(t *testing.T) {
	for _, tc := range []struct {
		share Share
		want  string
	}{
		{Share{Item: "a", Cores: 3}, "build 7 %|count objects"},
		{Share{Item: "a", Cores: 3, Beside: true}, "a: build 7 %|count objects of a"},
	} {
		var said steps
		h := tc.share.Of(host.Host{Report: &said, Results: "r"})
		h.Report.Step("build %d %%", 7)
		h.Report.Count("objects", 1, 2, "x")
		if got := strings.Join(said.said, "|"); got != tc.want || h.Cores != 3 || h.Results != "r" {
			t.Errorf("got %q, %+v, want %q", got, h, tc.want)
		}
	}
}
