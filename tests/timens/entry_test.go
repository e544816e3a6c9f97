package timens

import (
	"fmt"
	"os"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

const (
	current  = "/proc/self/ns/time"
	children = "/proc/self/ns/time_for_children"
)

// bothClocks have an offset in the offsets file.
var bothClocks = []clock.ID{clock.Monotonic, clock.Boottime}

// A fork() enters the namespace that the parent has unshared; the parent stays.
func TestEntryByFork(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	now, next := p.ReadLink(current), p.ReadLink(children)
	err := osthread.Run(func() error {
		if err := timens.Unshare(namespaces[0].offsets); err != nil {
			return err
		}
		parentNow, parentNext := threadLinks(t)
		timens.Run(t, timens.Fork, p)
		if got := timens.Text(t, now); got != parentNext {
			t.Errorf("the child is in %s, want %s", got, parentNext)
		}
		if got := timens.Text(t, next); got != parentNext {
			t.Errorf("the child's children will be in %s, want %s", got, parentNext)
		}
		if parentNow == parentNext {
			t.Errorf("the parent is in %s as well", parentNow)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// execve() enters too, without any fork(), and not before it is done.
func TestEntryByExec(t *testing.T) {
	timens.Need(t)
	offsets := namespaces[0].offsets
	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	write := p.WriteFile(offsetsFile, offsets.String())
	early := p.ClockGettime(clock.Boottime, clock.VDSO)

	low := timens.Now(t, clock.Boottime)
	got := timens.MeasureExec(t, timens.Fork, p, "clocks", nil)
	high := timens.Now(t, clock.Boottime)
	if err := write.Err(); err != nil {
		t.Fatalf("write %s: %v", offsetsFile, err)
	}
	if boot := timens.Time(t, early); boot < low || boot > high {
		t.Errorf("before execve() boottime is %v, want it in [%v, %v]", boot, low, high)
	}
	for via, shifts := range got {
		for _, id := range bothClocks {
			if want := offsets.Of(id); !shifts[id].Contains(want) {
				t.Errorf("after execve() %v by %v is off by %v, want %v", id, via, shifts[id], want)
			}
		}
	}
}

// setns() enters at once; the vDSO page mapped before must not survive it.
func TestEntryBySetns(t *testing.T) {
	timens.Need(t)
	for _, ns := range namespaces {
		t.Run(ns.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			p.ClockGettime(clock.Monotonic, clock.VDSO)
			p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
			p.WriteFile(offsetsFile, ns.offsets.String())
			setns := p.Setns(children, unix.CLONE_NEWTIME)
			vdso, syscall := p.ClockGettime(clock.Monotonic, clock.VDSO), p.ClockGettime(clock.Monotonic, clock.Syscall)

			before := timens.Now(t, clock.Monotonic)
			timens.Run(t, timens.Fork, p)
			after := timens.Now(t, clock.Monotonic)
			if err := setns.Err(); err != nil {
				t.Fatalf("setns: %v", err)
			}
			for via, now := range map[clock.Via]time.Duration{
				clock.VDSO: timens.Time(t, vdso), clock.Syscall: timens.Time(t, syscall),
			} {
				offset := timens.Interval{Low: now - after, High: now - before}
				if want := ns.offsets.Monotonic; !offset.Contains(want) {
					t.Errorf("after setns() monotonic by %v is off by %v, want %v", via, offset, want)
				}
			}
		})
	}
}

// A process with threads shares one vDSO page among them and cannot enter.
func TestEntryBySetnsRefusesThreads(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		ns, err := os.Open(current)
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWTIME); err != unix.EUSERS {
			t.Errorf("setns in a process with threads: %v, want %v", err, unix.EUSERS)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unshare() shifts nothing for the caller, nor anything at all for its process.
func TestUnshareKeepsCaller(t *testing.T) {
	timens.Need(t)
	otherNow, otherNext := threadLinks(t)
	err := osthread.Run(func() error {
		if err := timens.Unshare(namespaces[0].offsets); err != nil {
			return err
		}
		if now, next := threadLinks(t); now != otherNow || next == otherNext {
			t.Errorf("the caller went from (%s, %s) to (%s, %s), want a change of the second only",
				otherNow, otherNext, now, next)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, next := threadLinks(t); now != otherNow || next != otherNext {
		t.Errorf("another thread went from (%s, %s) to (%s, %s)", otherNow, otherNext, now, next)
	}
}

// A namespace inside another one starts with its offsets. What is written
// replaces them, it is not added: every offset is against the initial clock.
func TestNestedNamespaceInherits(t *testing.T) {
	timens.Need(t)
	outer := namespaces[0].offsets
	inner := timens.Offsets{Monotonic: -200000009, Boottime: outer.Boottime}
	sec, nsec := timens.Split(inner.Monotonic)

	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	inherited := p.ReadFile(offsetsFile)
	p.WriteFile(offsetsFile, fmt.Sprintf("monotonic %d %d\n", sec, nsec))
	p.Setns(children, unix.CLONE_NEWTIME)
	result := p.ReadFile(offsetsFile)
	mono := p.ClockGettime(clock.Monotonic, clock.VDSO)

	before := timens.Now(t, clock.Monotonic)
	timens.Run(t, timens.Unshared(outer), p)
	after := timens.Now(t, clock.Monotonic)
	if got := timens.Text(t, inherited); got != outer.String() {
		t.Errorf("inherited\n%swant\n%s", got, outer)
	}
	if got := timens.Text(t, result); got != inner.String() {
		t.Errorf("after the write\n%swant\n%s", got, inner)
	}
	now := timens.Time(t, mono)
	if offset := (timens.Interval{Low: now - after, High: now - before}); !offset.Contains(inner.Monotonic) {
		t.Errorf("monotonic is off by %v, want %v", offset, inner.Monotonic)
	}
}

// The limit is set in a user namespace of the child's own, not for the machine.
func TestMaxTimeNamespaces(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	user := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	limit := p.WriteFile("/proc/sys/user/max_time_namespaces", "1")
	first := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	second := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	timens.Run(t, timens.Fork, p)
	if err := user.Err(); err != nil {
		t.Fatalf("unshare(CLONE_NEWUSER): %v", err)
	}
	if err := limit.Err(); err != nil {
		t.Fatalf("set the limit: %v", err)
	}
	if err := first.Err(); err != nil {
		t.Errorf("first unshare(CLONE_NEWTIME) of one allowed: %v", err)
	}
	if err := second.Err(); err != unix.ENOSPC {
		t.Errorf("second unshare(CLONE_NEWTIME) of one allowed: %v, want %v", err, unix.ENOSPC)
	}
}

// threadLinks returns the calling thread's time namespace and that of its children.
func threadLinks(t *testing.T) (now, next string) {
	t.Helper()
	var err error
	if now, err = os.Readlink("/proc/thread-self/ns/time"); err != nil {
		t.Error(err)
	}
	if next, err = os.Readlink("/proc/thread-self/ns/time_for_children"); err != nil {
		t.Error(err)
	}
	return now, next
}
