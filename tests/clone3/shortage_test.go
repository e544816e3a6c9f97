// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a kernel that makes allocations fail on demand,
// such as one built with -config debug. The tests of offsets need a series,
// too.

package clone3

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// failNth is the file that makes the kernel fail the n-th allocation of a
// process from now on. It shows how many are left until then.
const failNth = "/proc/self/fail-nth"

// needFaults makes injected failures silent: by default the kernel prints a
// call trace for each, which looks like a splat.
func needFaults(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(failNth); err != nil {
		t.Skipf("%v; `make vmtest ARGS='-config debug'` runs this test on a kernel that has it", err)
	}
	setFaults(t, faultSettings{
		"failslab/verbose": "0", "failslab/ignore-gfp-wait": "N",
		"fail_page_alloc/verbose": "0", "fail_page_alloc/ignore-gfp-wait": "N", "fail_page_alloc/ignore-gfp-highmem": "N",
	})
}

// faultSettings are values of files in /sys/kernel/debug.
type faultSettings map[string]string

func setFaults(t *testing.T, settings faultSettings) {
	t.Helper()
	for name, value := range settings {
		if err := os.WriteFile(filepath.Join("/sys/kernel/debug", name), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// requests are the two kinds of allocations that can fail. The kernel counts
// them separately. A call always allocates the same objects. It does not always
// allocate the same pages, because now and then an object needs a new page. One
// pass over all n would then miss some, so there are several.
var requests = []struct {
	of    string
	only  faultSettings
	times int
}{
	{"objects", faultSettings{"failslab/cache-filter": "N", "fail_page_alloc/min-order": "32"}, 1}, // no allocation has this order
	{"pages", faultSettings{"failslab/cache-filter": "Y", "fail_page_alloc/min-order": "0"}, 6},    // only marked caches, and none is
}

// shortage is a call whose n-th allocation fails.
type shortage struct {
	n                int
	open, set, clear clone.Result
	left             clone.Contents
	call             clone.Result
}

// refuse adds a call whose n-th allocation fails.
func refuse(p *clone.Program, n int, call func() clone.Result) shortage {
	write := func(open clone.Result, text string) clone.Result {
		return p.On(open, unix.SYS_WRITE, p.Data([]byte(text)), uintptr(len(text)))
	}
	s := shortage{n: n, open: p.Open(failNth, unix.O_RDWR)}
	s.set = write(s.open, strconv.Itoa(n))
	s.call = call()
	s.left = p.Reread(s.open, 16)
	s.clear = write(s.open, "0")
	p.On(s.open, unix.SYS_CLOSE)
	return s
}

// outcome reports whether an allocation failed and whether the call did. The call
// may fail only if an allocation failed, and only with ENOMEM. It may also succeed
// without what it could not allocate.
func (s shortage) outcome() (refused, failed bool, err error) {
	for _, step := range []clone.Result{s.open, s.set, s.clear} {
		if err := step.Err(); err != nil {
			return false, false, fmt.Errorf("%s: %w", failNth, err)
		}
	}
	text, err := s.left.Text()
	if err != nil {
		return false, false, fmt.Errorf("read %s: %w", failNth, err)
	}
	left, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return false, false, fmt.Errorf("%s: %w", failNth, err)
	}
	refused = left == 0
	switch err := s.call.Err(); {
	case err == nil:
		return refused, false, nil
	case err != unix.ENOMEM:
		return refused, true, fmt.Errorf("%w, want %v", err, unix.ENOMEM)
	case !refused:
		return refused, true, fmt.Errorf("%w, but only %d of %d allocations were made", err, s.n-left, s.n)
	}
	return refused, true, nil
}

// needy is a caller some of whose calls run out of memory. It may have one time
// namespace besides the one that it has unshared for its children.
type needy struct {
	*caller
	clocks    [2]map[clock.ID]clone.Reading // before all calls and after them
	shortages []shortage
	became    []func(t *testing.T, failed bool) // one check for each call
	failed    int
}

// needyCalls is how many calls a caller makes, and needyCallers how many
// callers a nursery has. Each process takes a tenth of a second on a kernel
// with debugging options.
const (
	needyCalls   = 10
	needyCallers = 2
)

// exhaust lets callers repeat a call, each time with a later allocation that
// fails, until the call needs fewer allocations. The function add adds the call
// whose n-th one fails.
func exhaust(t *testing.T, add func(c *needy, n int)) {
	t.Helper()
	for _, r := range requests {
		setFaults(t, r.only)
		refused, failed := 0, 0
		for range r.times {
			some, calls := exhaustOnce(t, add)
			if t.Failed() {
				return
			}
			refused += some
			failed += calls
		}
		t.Logf("%d allocations of %s failed, and %d calls failed with them", refused, r.of, failed)
		if failed == 0 {
			t.Errorf("no call failed for want of %s", r.of)
		}
	}
}

// exhaustOnce returns how many allocations failed and how many calls.
func exhaustOnce(t *testing.T, add func(c *needy, n int)) (refused, failed int) {
	t.Helper()
	for n := 1; n < 4000; {
		nursery := timens.NewProgram(t)
		nursery.Slim()
		var all []*needy
		for range needyCallers {
			c := new(needy)
			newCaller(nursery, func(who *caller) {
				c.caller = who
				who.need(who.Populate())
				who.limit("time", "2")
				c.clocks[0] = readClocks(c.Program)
				for range needyCalls {
					add(c, n)
					n++
				}
				c.clocks[1] = readClocks(c.Program)
			}, 0, nil)
			all = append(all, c)
		}
		timens.RunMany(t, timens.Fork, nursery)
		more := 0
		for _, c := range all {
			more = c.outcome(t)
			refused += more
			failed += c.failed
		}
		if t.Failed() || more == 0 {
			return refused, failed
		}
	}
	t.Error("the calls still make more allocations than were tested")
	return refused, failed
}

// outcome checks a caller that has run, and returns how many allocations failed
// in it.
func (c *needy) outcome(t *testing.T) (refused int) {
	t.Helper()
	for _, wrong := range c.check(0) {
		t.Errorf("requests %d to %d: %s", c.shortages[0].n, c.shortages[needyCalls-1].n, wrong)
	}
	for i, s := range c.shortages {
		one, failed, err := s.outcome()
		if err != nil {
			t.Errorf("request %d: %v", s.n, err)
		}
		if one {
			refused++
		}
		if failed {
			c.failed++
		}
		c.became[i](t, failed)
	}
	return refused
}

// child is the child of a call, if there is one.
type child struct {
	caller   *needy
	n        int
	flags    uint64
	want     timens.Offsets
	text     clone.Contents // its offsets file
	readings []reading
	ended    clone.Ended
}

// exhaustFork is exhaust for a clone3() whose child must have offsets.
func exhaustFork(t *testing.T, args func() *clone.Args, want timens.Offsets) {
	t.Helper()
	exhaust(t, func(c *needy, n int) {
		born := c.Sub()
		call, pidfd := args(), c.Word()
		pidfd.Set(-1)
		if call.Flags&unix.CLONE_PIDFD != 0 {
			call.Pidfd = pidfd.Int32()
		}
		x := child{caller: c, n: n, flags: call.Flags, want: want, readings: readBothWays(born), text: born.ReadFile(offsetsFile)}
		s := refuse(c.Program, n, func() clone.Result { return c.Fork(call, clone.SizeVer3, born) })
		x.ended = c.Wait(s.call)
		c.On(pidfd, unix.SYS_CLOSE) // fails if there is no child
		c.shortages, c.became = append(c.shortages, s), append(c.became, x.check)
	})
}

func (x child) check(t *testing.T, failed bool) {
	t.Helper()
	if failed {
		return
	}
	if status, err := x.ended.Status(); err != nil || status != 0 {
		t.Errorf("request %d: the child's wait status is %#x, %v, want exit(0)", x.n, int(status), err)
		return
	}
	if got := timens.Text(t, x.text); got != x.want.String() {
		t.Errorf("request %d: the child's timens_offsets are\n%swant\n%s", x.n, got, x.want)
	}
	if x.flags&unix.CLONE_VM != 0 {
		return // until execve() it has its parent's clocks
	}
	for _, r := range x.readings {
		low := timens.Time(t, x.caller.clocks[0][r.id]) + x.want.Of(r.id)
		high := timens.Time(t, x.caller.clocks[1][r.id]) + x.want.Of(r.id)
		if got := timens.Time(t, r.Reading); got < low || got > high {
			t.Errorf("request %d: %v by %v is %v in the child, want it in [%v, %v]", x.n, r.id, r.via, got, low, high)
		}
	}
}

// If any allocation in a clone3() with offsets fails, the call either fails
// with ENOMEM and leaks nothing, or succeeds and the child has its offsets.
//
//vmtest:config CONFIG_FAULT_INJECTION=y
func TestOffsetsShortOfMemory(t *testing.T) { testOffsetsShort(t, 0) }

// If any allocation in a clone3() with offsets and CLONE_VM fails, the call
// either fails with ENOMEM and leaks nothing, or succeeds and the child gets
// its offsets at execve().
//
//vmtest:config CONFIG_FAULT_INJECTION=y
func TestOffsetsShortOfMemoryAtExec(t *testing.T) {
	testOffsetsShort(t, unix.CLONE_VM|unix.CLONE_VFORK)
}

// If any allocation in a clone3() with offsets, a pidfd and other new
// namespaces fails, the call either fails with ENOMEM and leaks nothing, or
// succeeds and the child has its offsets.
//
//vmtest:config CONFIG_FAULT_INJECTION=y
func TestOffsetsShortOfMemoryForMore(t *testing.T) {
	testOffsetsShort(t, unix.CLONE_NEWPID|unix.CLONE_NEWUTS|unix.CLONE_PIDFD)
}

func testOffsetsShort(t *testing.T, flags uint64) {
	kernel := design.Need(t)
	needFaults(t)
	exhaustFork(t, func() *clone.Args {
		args := kernel.Args(timens.Across)
		args.Flags |= flags
		return args
	}, timens.Across)
}

// If any allocation in a clone3(CLONE_NEWTIME) without offsets fails, the call
// either fails with ENOMEM and leaks nothing, or succeeds and the child
// inherits the pending offsets.
//
//vmtest:config CONFIG_FAULT_INJECTION=y
func TestNewTimeShortOfMemory(t *testing.T) {
	timens.Need(t)
	needFaults(t)
	exhaustFork(t, design.NewTime, timens.Ahead)
}

// If any allocation in unshare(CLONE_NEWTIME) fails, the call fails and the
// thread keeps its namespace for children, or it succeeds and makes a new one.
//
//vmtest:config CONFIG_FAULT_INJECTION=y
func TestUnshareShortOfMemory(t *testing.T) {
	timens.Need(t)
	needFaults(t)
	exhaust(t, func(c *needy, n int) {
		// With CLONE_VM, so that the child does not enter the namespace
		// that the caller has unshared for its children.
		other := c.Sub()
		before := other.ReadLink(children)
		s := refuse(other, n, func() clone.Result { return other.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME) })
		after, text := other.ReadLink(children), other.ReadFile(offsetsFile)
		args := clone.Args{Flags: unix.CLONE_VM | unix.CLONE_VFORK, ExitSignal: uint64(unix.SIGCHLD)}
		c.Wait(c.Fork(&args, clone.SizeVer0, other))
		c.shortages = append(c.shortages, s)
		c.became = append(c.became, func(t *testing.T, failed bool) {
			t.Helper()
			if same := timens.Text(t, before) == timens.Text(t, after); same != failed {
				t.Errorf("request %d: the namespace for children went from %s to %s by unshare(): %v", n, timens.Text(t, before), timens.Text(t, after), s.call.Err())
			}
			if got := timens.Text(t, text); got != timens.Ahead.String() {
				t.Errorf("request %d: timens_offsets are\n%swant\n%s", n, got, timens.Ahead)
			}
		})
	})
}
