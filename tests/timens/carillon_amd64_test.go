// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// carillon is hundreds of timers, set in several namespaces, that expire one
// after the other over a long time.
type carillon struct {
	begin  map[clock.ID]time.Duration // deadline of the first bell, on the initial clocks
	apart  time.Duration
	bells  []bell // in the order of their deadlines
	silent []bell // bells whose deadlines no clock reaches
}

// bell is a timerfd. The test holds its descriptor, and a child sets it.
type bell struct {
	id clock.ID
	fd int
}

const bellsEach = 50 // in each namespace

func newCarillon(t *testing.T, long time.Duration, namespaces int) *carillon {
	t.Helper()
	c := &carillon{begin: make(map[clock.ID]time.Duration), bells: make([]bell, namespaces*bellsEach)}
	c.apart = long / time.Duration(len(c.bells))
	// This leaves time to set all bells. If they are minutes apart, the last
	// one still rings before the sleepers wake.
	toSet := max(time.Second, c.apart/2)
	for _, id := range timens.Clocks {
		c.begin[id] = timens.Now(t, id) + toSet
	}
	for n := range c.bells {
		c.bells[n] = newBell(t, timens.Clocks[n%2])
	}
	return c
}

func newBell(t *testing.T, id clock.ID) bell {
	t.Helper()
	fd, err := unix.TimerfdCreate(int(id), unix.TFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	return bell{id: id, fd: fd}
}

// due returns when a bell rings, on the initial clock.
func (c *carillon) due(n int) time.Duration {
	return c.begin[c.bells[n].id] + time.Duration(n)*c.apart
}

// set sets the bells of namespace i, from a thread whose children enter that
// namespace. It does not set them in the order of their deadlines.
func (c *carillon) set(t *testing.T, offsets timens.Offsets, i int) {
	t.Helper()
	p := timens.NewProgram(t)
	var results []clone.Result
	set := func(b bell, to unix.Timespec) {
		spec := clone.Alloc[itimerspec](p)
		spec.value = to
		results = append(results, p.Syscall(unix.SYS_TIMERFD_SETTIME, uintptr(b.fd), unix.TFD_TIMER_ABSTIME, clone.Addr(spec), 0))
	}
	for k := range bellsEach {
		const stride = 57 // without a common divisor with the number of bells
		n := (i*bellsEach + k) * stride % len(c.bells)
		set(c.bells[n], unix.NsecToTimespec(int64(c.due(n)+offsets.Of(c.bells[n].id))))
	}
	for _, sec := range []int64{math.MaxInt64, ktimeMaxSec, ktimeMaxSec - 1} {
		b := newBell(t, timens.Clocks[i%2])
		set(b, unix.Timespec{Sec: sec, Nsec: 999999999})
		c.silent = append(c.silent, b)
	}
	timens.Run(t, timens.Fork, p)
	for _, r := range results {
		if err := r.Err(); err != nil {
			t.Errorf("timerfd_settime in a namespace\n%v: %v", offsets, err)
		}
	}
}

// ktimeMaxSec is KTIME_SEC_MAX, the largest time of the kernel's clocks: 292
// years after boot.
const ktimeMaxSec = 9223372036

// listen waits until all bells have rung, each on time and none before another
// that is due earlier. The order is not checked with two CPUs, because the host
// may stop one of them for a while.
func (c *carillon) listen(t *testing.T) {
	t.Helper()
	fds := make([]unix.PollFd, len(c.bells))
	for i, b := range c.bells {
		fds[i] = unix.PollFd{Fd: int32(b.fd), Events: unix.POLLIN}
	}
	last := -1
	for left := len(c.bells); left > 0; {
		n, err := unix.Poll(fds, int(min((c.apart+timens.Patience).Milliseconds(), math.MaxInt32)))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("poll: %v, %v; %d timers have not expired", n, err, left)
		}
		left -= n
		previous := last
		for i, b := range c.bells {
			if fds[i].Revents == 0 {
				continue
			}
			fds[i].Fd = -1 // do not report it again
			what := fmt.Sprintf("timer %d of %d, of %v, due at %v", i, len(c.bells), b.id, c.due(i))
			checkLate(t, what, timens.Now(t, b.id)-c.due(i), 0, lane.MostLate())
			if lane.Virtual() && i <= previous {
				t.Errorf("%s expired after timer %d", what, previous)
			}
			last = max(last, i)
		}
	}
}

// checkSilent checks that the other bells have not expired and that their
// deadlines are still near the end of time.
func (c *carillon) checkSilent(t *testing.T) {
	t.Helper()
	for _, b := range c.silent {
		var left unix.ItimerSpec
		if err := unix.TimerfdGettime(b.fd, &left); err != nil {
			t.Fatal(err)
		}
		// The greatest offset is half of the largest time.
		if left.Value.Sec < ktimeMaxSec/3 {
			t.Errorf("a timer of %v that must never expire has %v s left, want about %v", b.id, left.Value.Sec, int64(ktimeMaxSec))
		}
	}
}
