// SPDX-License-Identifier: BSD-3-Clause

package scale

import "container/heap"

// clock is simulated time, in seconds, with what is to happen. Equal times happen in the order in
// which they were asked for, so that two simulations of the same are equal.
type clock struct {
	now   float64
	asked int
	next  events
}

type event struct {
	at   float64
	turn int
	do   func()
}

// events is a heap whose first element is the next event.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].turn < e[j].turn
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// after does something when seconds have passed.
func (c *clock) after(seconds float64, do func()) {
	c.asked++
	heap.Push(&c.next, event{c.now + seconds, c.asked, do})
}

// run lets time pass until nothing more is to happen.
func (c *clock) run() {
	for len(c.next) > 0 {
		e := heap.Pop(&c.next).(event)
		c.now = e.at
		e.do()
	}
}

// lock is held by one at a time. Those who wait get it in the order in which they came.
type lock struct {
	held    bool
	waiting []func()
}

func (l *lock) take(then func()) {
	if l.held {
		l.waiting = append(l.waiting, then)
		return
	}
	l.held = true
	then()
}

func (l *lock) give() {
	if len(l.waiting) == 0 {
		l.held = false
		return
	}
	then := l.waiting[0]
	l.waiting = l.waiting[1:]
	then()
}

// thing is made once. Whoever wants it while it is made waits.
type thing struct {
	begun, there bool
	waiting      []func()
}

// want goes on when the thing is there. The first who wants it makes it.
func (t *thing) want(produce func(done func()), then func()) {
	switch {
	case t.there:
		then()
	case t.begun:
		t.waiting = append(t.waiting, then)
	default:
		t.begun = true
		produce(func() {
			t.finish()
			then()
		})
	}
}

// finish says that the thing is there. It may be said again.
func (t *thing) finish() {
	t.begun, t.there = true, true
	waiting := t.waiting
	t.waiting = nil
	for _, then := range waiting {
		then()
	}
}

// link carries transfers, which share its rate evenly.
type link struct {
	*clock
	rate     float64 // MB/s; 0: no transfer takes any time
	busy     float64 // seconds in which it carried something
	carried  float64 // MB
	active   []*transfer
	since    float64 // when left was last brought up to date
	schedule int     // number of the last plan; an event of an older one is void
}

type transfer struct {
	left float64 // MB
	then func()
}

// almost is a byte: less than any transfer, and more than the rounding of one.
const almost = 1e-6

// send carries MB, and goes on when all have arrived.
func (l *link) send(mb float64, then func()) {
	l.carried += mb
	if l.rate == 0 {
		l.after(0, then)
		return
	}
	l.settle()
	l.active = append(l.active, &transfer{mb, then})
	l.plan()
}

// settle takes from each transfer what has been carried since the last time.
func (l *link) settle() {
	if n := len(l.active); n > 0 {
		passed := l.now - l.since
		l.busy += passed
		for _, t := range l.active {
			t.left -= passed * l.rate / float64(n)
		}
	}
	l.since = l.now
}

// plan asks for the end of the transfer that ends first.
func (l *link) plan() {
	l.schedule++
	if len(l.active) == 0 {
		return
	}
	least := l.active[0].left
	for _, t := range l.active {
		least = min(least, t.left)
	}
	this := l.schedule
	l.after(max(0, least)*float64(len(l.active))/l.rate, func() {
		if this == l.schedule {
			l.arrive()
		}
	})
}

// arrive ends the transfers of which nothing is left.
func (l *link) arrive() {
	l.settle()
	var ended, active []*transfer
	for _, t := range l.active {
		if t.left <= almost {
			ended = append(ended, t)
		} else {
			active = append(active, t)
		}
	}
	l.active = active
	l.plan()
	for _, t := range ended {
		t.then()
	}
}
