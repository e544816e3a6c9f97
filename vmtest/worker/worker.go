// SPDX-License-Identifier: BSD-3-Clause

// Package worker works through a list on this machine, several items at a time if there is room.
// What an item is, the caller says: the run of a series, a cell of a night, a question of a check,
// a mutant.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
)

// Item is one thing of a list.
type Item struct {
	Name     string // for messages
	MemoryMB int    // that it is likely to need
	Kernel   string // names the kernel that it builds, unless the cache has it; "": none that another item needs, too
	Folder   string // names the folder that it builds in, which one item at a time can do; "": none that another item needs, too
	After    string // names an earlier item of the list, which has to end before this one begins; "": none

	// Run does the work, on a part of the machine. When its context ends, it ends all that it
	// has begun, and returns.
	Run func(context.Context, Share) error
}

// Worker says how a list is worked through. The zero value runs one item at a time.
type Worker struct {
	Jobs  int                 // how many items run at the same time; 0: one
	Cores int                 // that all items share; 0: those that this program may use
	Free  func() (int, error) // MB of memory that programs can still get; nil: enough. With an error, one item runs at a time
	Begin func(item int) bool // called before an item begins, with its number; false: no item begins any more. nil: all begin
}

// ErrNotRun is the error of an item that has not begun.
var ErrNotRun = errors.New("not run")

// Panic is the error of an item whose Run has panicked.
type Panic struct {
	Item  string // its name
	Value any    // what was passed to panic
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%s: panic: %v\n%s", p.Item, p.Value, p.Stack) }

// Work runs the items, and yields the number of each and what its Run returned, as soon as it has
// ended. The loop runs in the goroutine of the caller. Items begin in their order, with three
// exceptions: an item whose kernel another one is building begins behind those that need not wait,
// one whose folder is in use begins when it is free, and one that is after another when that has
// ended.
//
// When ctx ends, no item begins any more, and those that run are yielded when they have ended.
// Items that have not begun are yielded last, with ErrNotRun. If the caller leaves the loop, Work
// ends the context of the items that run, and waits for them.
func (w Worker) Work(ctx context.Context, items []Item) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		s := &shift{Worker: w, items: items, running: make(map[int]bool), known: make(map[string]bool), ended: make(chan ended)}
		for i := range items {
			s.left = append(s.left, i)
		}
		s.free = s.freeNow()
		defer s.drain()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		for {
			for s.next(ctx) {
			}
			if len(s.running) == 0 {
				break
			}
			if e := s.wait(); !yield(e.item, e.err) {
				return
			}
		}
		for _, i := range s.left {
			if !yield(i, ErrNotRun) {
				return
			}
		}
	}
}

// InOrder yields what Work yields in the order of the items. An item that has ended waits for
// those before it.
func InOrder(all iter.Seq2[int, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		early, next := make(map[int]error), 0
		for i, err := range all {
			early[i] = err
			for err, ok := early[next]; ok; err, ok = early[next] {
				delete(early, next)
				if !yield(next, err) {
					return
				}
				next++
			}
		}
	}
}

// shift is a list under way.
type shift struct {
	Worker
	items   []Item
	left    []int           // those that have not begun
	running map[int]bool    // those that have begun and not ended
	known   map[string]bool // kernels of items that have ended
	free    int             // MB of memory that there were before an item ran
	over    bool            // no item begins any more
	ended   chan ended
}

// ended is an item that has ended.
type ended struct {
	item int
	err  error
}

// next begins an item, if one can begin.
func (s *shift) next(ctx context.Context) bool {
	if ctx.Err() != nil || s.over || len(s.left) == 0 {
		return false
	}
	at := s.first()
	if at < 0 {
		return false
	}
	item := s.left[at]
	if !s.room(s.items[item]) {
		return false
	}
	if s.Begin != nil && !s.Begin(item) {
		s.over = true
		return false
	}
	s.left = slices.Delete(s.left, at, at+1)
	share := s.share(item)
	s.running[item] = true
	go func() { s.ended <- ended{item, s.items[item].run(ctx, share)} }()
	return true
}

// first returns the place in left of the item that begins next, or -1 if all have to wait for a
// folder or for another item. Two items that build one kernel would have one waiting for the
// other, and all other items for a free place.
func (s *shift) first() int {
	built, open, used := make(map[string]bool), make(map[string]bool), s.folders()
	for i := range s.running {
		built[s.items[i].Kernel], open[s.items[i].Name] = true, true
	}
	for _, i := range s.left {
		open[s.items[i].Name] = true
	}
	free := func(i int) bool {
		return !used[s.items[i].Folder] && (s.items[i].After == "" || !open[s.items[i].After])
	}
	at := slices.IndexFunc(s.left, func(i int) bool {
		k := s.items[i].Kernel
		return free(i) && (k == "" || s.known[k] || !built[k])
	})
	if at < 0 {
		at = slices.IndexFunc(s.left, free)
	}
	return at
}

// folders returns the folders of the items that run.
func (s *shift) folders() map[string]bool {
	used := make(map[string]bool)
	for i := range s.running {
		if f := s.items[i].Folder; f != "" {
			used[f] = true
		}
	}
	return used
}

// room says that one more item can run beside those that do. Some of these may not have taken
// their memory yet, so it is looked at what there was before, too.
func (s *shift) room(one Item) bool {
	switch {
	case len(s.running) == 0:
		return true
	case len(s.running) >= s.Jobs:
		return false
	case s.Free == nil:
		return true
	}
	return s.needed()+one.MemoryMB <= s.free && one.MemoryMB <= s.freeNow()
}

// needed returns what all items that run are likely to need, in MB.
func (s *shift) needed() int {
	sum := 0
	for i := range s.running {
		sum += s.items[i].MemoryMB
	}
	return sum
}

func (s *shift) freeNow() int {
	if s.Free == nil {
		return 0
	}
	mb, err := s.Free()
	if err != nil {
		return 0
	}
	return mb
}

// share returns the part of the machine that an item gets: the cores divided by the number of
// items that will run at the same time, as far as the memory and their folders let them.
func (s *shift) share(item int) Share {
	n, sum, used := len(s.running)+1, s.needed()+s.items[item].MemoryMB, s.folders()
	used[s.items[item].Folder] = true
	for _, i := range s.left {
		f := s.items[i].Folder
		if f != "" && used[f] {
			continue
		}
		used[f] = true
		sum += s.items[i].MemoryMB
		if n >= s.Jobs || s.Free != nil && sum > s.free {
			break
		}
		n++
	}
	return Share{
		Item: s.items[item].Name, Cores: max(1, cmp.Or(s.Cores, runtime.GOMAXPROCS(0))/n),
		Beside: s.Jobs > 1 && len(s.running)+len(s.left) > 0,
	}
}

// run runs an item.
func (i Item) run(ctx context.Context, share Share) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{i.Name, v, debug.Stack()}
		}
	}()
	return i.Run(ctx, share)
}

// wait waits until an item has ended.
func (s *shift) wait() ended {
	e := <-s.ended
	delete(s.running, e.item)
	s.known[s.items[e.item].Kernel] = true
	return e
}

// drain waits for all items that run.
func (s *shift) drain() {
	for len(s.running) > 0 {
		s.wait()
	}
}
