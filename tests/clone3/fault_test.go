// The tests in this file need a series with offsets.

package clone3

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// fault is one thing wrong with a call, for which alone it is to fail with want.
// Two with a slot in common cannot be had together.
type fault struct {
	name  string
	want  unix.Errno
	slots string
	spoil func(*request)
}

// request is a clone3() with offsets that would succeed if nothing were spoilt.
type request struct {
	*clone.Args
	size  uintptr
	p     *clone.Program     // has the memory
	where func() *clone.Args // puts the arguments somewhere, if not nil
	setup []func(*caller)
}

func newRequest(kernel design.Name, p *clone.Program) *request {
	return &request{Args: kernel.Args(timens.Across), size: clone.SizeVer3, p: p}
}

// faults lists all that can be wrong, in the order in which the kernel looks for
// it: of two, it is the first that the caller is told of.
func faults(t *testing.T, kernel design.Name) []fault {
	nothing := timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)
	list := memoryFaults(t, nothing)
	list = append(list, argumentFaults()...)
	late := []fault{}
	for _, f := range kernel.Faults() {
		slots := "offsets"
		switch {
		case f.Flags&unix.CLONE_THREAD != 0:
			slots = "signal sighand"
		case f.Flags != 0:
			slots = "flag"
		}
		one := fault{f.Name, f.Want, slots, func(r *request) { f.Spoil(r.Args) }}
		if f.Early {
			list = append(list, one)
		} else {
			late = append(late, one)
		}
	}
	list = append(list, fault{"unreadable set_tid", unix.EFAULT, "tid", setTID(func(a *clone.Args) {
		a.SetTID = (*int32)(unsafe.Pointer(&nothing[0]))
	})})
	list = append(list, late...)
	list = append(list, flagFaults()...)
	list = append(list, callerFaults(kernel)...)
	return append(list, lateFaults(t, nothing)...)
}

func memoryFaults(t *testing.T, nothing []byte) []fault {
	size := func(size uintptr) func(*request) { return func(r *request) { r.size = size } }
	return []fault{
		{"larger than a page", unix.E2BIG, "memory", size(clone.MaxSize + 1)},
		{"smaller than the first version", unix.EINVAL, "memory", size(clone.SizeVer0 - 1)},
		{"unknown member", unix.E2BIG, "memory", func(r *request) { r.Tail[0], r.size = 1, clone.SizeVer3+8 }},
		{"unknown member far behind", unix.E2BIG, "memory", func(r *request) { r.Tail[len(r.Tail)-1], r.size = 1<<63, clone.MaxSize }},
		{"unreadable", unix.EFAULT, "memory", func(r *request) {
			r.where = func() *clone.Args { return (*clone.Args)(unsafe.Pointer(&nothing[0])) }
		}},
		{"half readable", unix.EFAULT, "memory", func(r *request) {
			r.where = func() *clone.Args { return cutOff(t, r, clone.SizeVer3-1) }
		}},
		{"zeros behind what is known unreadable", unix.EFAULT, "memory", func(r *request) {
			r.size = clone.SizeVer3 + 8
			r.where = func() *clone.Args { return cutOff(t, r, clone.SizeVer3) }
		}},
	}
}

// cutOff puts the first size bytes of the arguments at the end of a page, behind
// which nothing can be read.
func cutOff(t *testing.T, r *request, size int) *clone.Args {
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, clone.Bytes(*r.Args)[:size]...)
	r.p.Keep(mem)
	return (*clone.Args)(unsafe.Pointer(&mem[timens.PageSize-size]))
}

// setTID makes set_tid one PID, and then whatever change makes of it.
func setTID(change func(*clone.Args)) func(*request) {
	return func(r *request) {
		r.SetTID, r.SetTIDSize = r.p.PIDs(100), 1
		change(r.Args)
	}
}

func setTIDs(tids ...int32) func(*request) {
	return func(r *request) { r.SetTID, r.SetTIDSize = r.p.PIDs(tids...), uint64(len(tids)) }
}

func argumentFaults() []fault {
	return []fault{
		{"33 PIDs", unix.EINVAL, "tid", setTIDs(make([]int32, 33)...)},
		{"set_tid without its size", unix.EINVAL, "tid", setTID(func(a *clone.Args) { a.SetTIDSize = 0 })},
		{"size without set_tid", unix.EINVAL, "tid", setTID(func(a *clone.Args) { a.SetTID = nil })},
		{"exit signal 65", unix.EINVAL, "signal", func(r *request) { r.ExitSignal = 65 }},
		{"exit signal 256", unix.EINVAL, "signal", func(r *request) { r.ExitSignal = 256 }},
		{"cgroup 1<<31", unix.EINVAL, "cgroup", func(r *request) { r.Flags |= unix.CLONE_INTO_CGROUP; r.Cgroup = 1 << 31 }},
	}
}

// flag makes a fault of flags that are wrong by themselves.
func flag(name, slots string, flags uint64) fault {
	return fault{name, unix.EINVAL, slots, func(r *request) { r.Flags |= flags }}
}

func flagFaults() []fault {
	const detached = 0x400000
	return []fault{
		flag("unknown flag", "bits", 1<<40),
		flag("CLONE_DETACHED", "bits", detached),
		flag("a signal among the flags", "bits", uint64(unix.SIGCHLD)),
		flag("SIGHAND|CLEAR_SIGHAND", "sighand", unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_CLEAR_SIGHAND),
		flag("PARENT with an exit signal", "signal", unix.CLONE_PARENT),
		{"stack without its size", unix.EINVAL, "stack", func(r *request) { r.Stack = 4096 }},
		{"size without stack", unix.EINVAL, "stack", func(r *request) { r.StackSize = 4096 }},
		{"stack beyond memory", unix.EINVAL, "stack", func(r *request) { r.Stack, r.StackSize = design.Nowhere, 4096 }},
		{"pidfd and parent_tid in one place", unix.EINVAL, "pidfd", func(r *request) {
			r.Flags |= unix.CLONE_PIDFD | unix.CLONE_PARENT_SETTID
			r.Pidfd = r.p.Word().Int32()
			r.ParentTID = r.Pidfd
		}},
		flag("NEWNS|FS", "fs", unix.CLONE_NEWNS|unix.CLONE_FS),
		flag("NEWUSER|FS", "fs user", unix.CLONE_NEWUSER|unix.CLONE_FS),
		flag("SIGHAND without VM", "sighand", unix.CLONE_SIGHAND),
	}
}

// callerFaults are those of who calls, and of what the clocks allow it.
func callerFaults(kernel design.Name) []fault {
	setup := func(fn func(*caller)) func(*request) {
		return func(r *request) { r.setup = append(r.setup, fn) }
	}
	return []fault{
		{"too many user namespaces", unix.ENOSPC, "user", func(r *request) {
			r.Flags |= unix.CLONE_NEWUSER
			setup(func(c *caller) { c.limit("user", "0") })(r)
		}},
		{"no CAP_SYS_ADMIN", unix.EPERM, "capability user", setup(func(c *caller) { c.lose(unix.CAP_SYS_ADMIN) })},
		flag("NEWIPC|SYSVSEM", "sem", unix.CLONE_NEWIPC|unix.CLONE_SYSVSEM),
		{"no CAP_SYS_TIME", unix.EPERM, "capability user", setup(func(c *caller) { c.lose(unix.CAP_SYS_TIME) })},
		{"monotonic out of range", unix.ERANGE, "offsets", func(r *request) { kernel.Set(r.Args, outOfRange[0]) }},
		{"boottime out of range", unix.ERANGE, "offsets", func(r *request) { kernel.Set(r.Args, outOfRange[1]) }},
		{"too many time namespaces", unix.ENOSPC, "time", setup(func(c *caller) { c.limit("time", "1") })},
	}
}

// lateFaults are found when the child's namespaces exist already.
func lateFaults(t *testing.T, nothing []byte) []fault {
	cgroup := badCgroup(t)
	return []fault{
		{"more PIDs than namespaces", unix.EINVAL, "tid", setTIDs(make([]int32, 32)...)},
		{"PID 0", unix.EINVAL, "tid", setTIDs(0)},
		{"PID too large", unix.EINVAL, "tid", setTIDs(1 << 22)},
		{"PID before there is a first", unix.EINVAL, "tid", func(r *request) {
			setTIDs(2)(r)
			r.Flags |= unix.CLONE_NEWPID
		}},
		{"PID in a namespace of somebody else", unix.EPERM, "tid", setTIDs(100, 100)},
		{"PID in use", unix.EEXIST, "tid", setTIDs(1)},
		{"no descriptor left", unix.EMFILE, "pidfd", func(r *request) {
			r.Flags |= unix.CLONE_PIDFD
			r.Pidfd = r.p.Word().Int32()
			r.setup = append(r.setup, func(c *caller) { c.descriptors(0) })
		}},
		{"unwritable pidfd", unix.EFAULT, "pidfd", func(r *request) {
			r.Flags |= unix.CLONE_PIDFD
			r.Pidfd = (*int32)(unsafe.Pointer(&nothing[0]))
		}},
		{"no cgroup", unix.EBADF, "cgroup", func(r *request) { r.Flags |= unix.CLONE_INTO_CGROUP; r.Cgroup = 1 << 20 }},
		{"bad cgroup", unix.EOPNOTSUPP, "cgroup", func(r *request) { r.Flags |= unix.CLONE_INTO_CGROUP; r.Cgroup = cgroup }},
	}
}

// badCgroup returns the descriptor of a cgroup in which no process may be: one
// for processes below one for threads.
func badCgroup(t *testing.T) uint64 {
	h := mountHierarchy(t)
	h.make(t, "threads")
	fd := h.make(t, "threads/processes")
	h.write(t, "threads/cgroup.type", "threaded")
	return fd
}

// attempts are many more than the namespaces that the caller may have.
const attempts = 16

// Nothing that fails leaves anything behind, however often it is tried.
func TestRefusedOffsetsLeakNothing(t *testing.T) {
	kernel := design.Need(t)
	var list []refusal
	for _, f := range faults(t, kernel) {
		list = append(list, refusal{faults: []fault{f}, times: attempts})
	}
	checkRefusals(t, kernel, list)
}

// Of two errors it is always the same one that the caller is told of. There are
// some hundreds of pairs: all in the virtual lane, and some of them in the real
// one, where a busy host shows.
func TestOffsetsRefusedInOrder(t *testing.T) { testRefusedInOrder(t, 0) }

// The second quarter of the pairs.
func TestOffsetsRefusedInOrderTwoOfFour(t *testing.T) { testRefusedInOrder(t, 1) }

// The third quarter of the pairs.
func TestOffsetsRefusedInOrderThreeOfFour(t *testing.T) { testRefusedInOrder(t, 2) }

// The last quarter of the pairs.
func TestOffsetsRefusedInOrderFourOfFour(t *testing.T) { testRefusedInOrder(t, 3) }

// testRefusedInOrder has one pair of four, so that no test takes too long.
func testRefusedInOrder(t *testing.T, part int) {
	kernel := design.Need(t)
	step := 4
	if !lane.Virtual() {
		step = 32
	}
	all := faults(t, kernel)
	var list []refusal
	n := 0
	for i, first := range all {
		for _, second := range all[i+1:] {
			if first.want == second.want || !apart(first, second) {
				continue
			}
			if n%step == part {
				list = append(list, refusal{faults: []fault{first, second}, times: 1})
			}
			n++
		}
	}
	checkRefusals(t, kernel, list)
}

// apart reports whether two faults can be had together.
func apart(a, b fault) bool {
	return !slices.ContainsFunc(strings.Fields(a.slots), func(slot string) bool {
		return slices.Contains(strings.Fields(b.slots), slot)
	})
}

// refusal is a call with one or more faults, of which the first counts.
type refusal struct {
	faults []fault
	times  int
}

func (r refusal) String() string {
	var names []string
	for _, f := range r.faults {
		names = append(names, f.name)
	}
	return strings.Join(names, " and ")
}

// checkRefusals has callers of their own make the calls. One process starts some
// of them: more would keep it from its end for longer than it is waited for.
func checkRefusals(t *testing.T, kernel design.Name, list []refusal) {
	t.Helper()
	for some := range slices.Chunk(list, 16) {
		nursery := timens.NewProgram(t)
		nursery.Slim()
		var callers []*caller
		for _, r := range some {
			callers = append(callers, r.caller(nursery, kernel))
		}
		timens.RunMany(t, timens.Fork, nursery)
		for i, r := range some {
			for _, wrong := range callers[i].check(r.faults[0].want) {
				t.Errorf("%v: %s", r, wrong)
			}
		}
	}
}

func (r refusal) caller(nursery *clone.Program, kernel design.Name) *caller {
	q := newRequest(kernel, nursery)
	for _, f := range r.faults {
		f.spoil(q)
	}
	spoil := func(c *caller) {
		for _, setup := range q.setup {
			setup(c)
		}
	}
	return newCaller(nursery, spoil, r.times, func(c *caller) clone.Result {
		if q.where != nil {
			return c.Clone3At(q.where(), q.size)
		}
		return c.Clone3(q.Args, q.size)
	})
}
