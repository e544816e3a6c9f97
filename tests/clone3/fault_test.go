// SPDX-License-Identifier: BSD-3-Clause

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

// fault is one thing wrong with a call. If it is the only one, the call must fail
// with want. Two faults that name the same slot cannot be combined.
type fault struct {
	name  string
	want  unix.Errno
	slots string
	spoil func(*request)
}

// stage is a group of the kernel's checks.
type stage int

const (
	sizeStage     stage = iota // size of struct clone_args, and unknown members
	memoryStage                // reading it
	argumentStage              // its members, apart from the offsets and the flags
	offsetStage                // the offsets
	flagStage                  // the flags, and members that belong to a flag
	callerStage                // what depends on the caller, and what is checked last
)

// staged is a fault and the checks that find it.
type staged struct {
	fault
	stage stage
}

func at(s stage, faults ...fault) (all []staged) {
	for _, f := range faults {
		all = append(all, staged{f, s})
	}
	return all
}

// request is a clone3() with offsets that would succeed if nothing in it were
// wrong.
type request struct {
	*clone.Args
	size  uintptr
	p     *clone.Program     // has the memory
	where func() *clone.Args // if not nil, places the arguments in memory
	setup []func(*caller)
}

func newRequest(kernel design.Name, p *clone.Program) *request {
	return &request{Args: kernel.Args(timens.Across), size: clone.SizeVer3, p: p}
}

// faults lists all that can be wrong, in the order in which the kernel checks
// it. Of two faults the caller gets the error of the first.
func faults(t *testing.T, kernel design.Name) []staged {
	nothing := timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)
	early65, flags := at(argumentStage, signalFault), at(flagStage, flagFaults()...)
	if signalCheckedLate(t) {
		early65, flags = nil, slices.Concat(flags, at(flagStage, signalFault))
	}
	return slices.Concat(
		at(sizeStage, sizeFaults()...),
		at(memoryStage, memoryFaults(t, nothing)...),
		at(argumentStage, argumentFaults()...),
		early65,
		at(argumentStage, fault{"unreadable set_tid", unix.EFAULT, "tid", setTID(func(a *clone.Args) {
			a.SetTID = (*int32)(unsafe.Pointer(&nothing[0]))
		})}),
		at(offsetStage, offsetFaults(kernel)...),
		flags,
		at(callerStage, callerFaults(kernel)...),
		at(callerStage, lateFaults(t, nothing)...),
	)
}

// offsetFaults are the faults of the kernel's design.
func offsetFaults(kernel design.Name) (all []fault) {
	for _, f := range kernel.Faults() {
		slots := "offsets"
		switch {
		case f.Flags&unix.CLONE_THREAD != 0:
			slots = "signal sighand"
		case f.Flags != 0:
			slots = "flag"
		}
		all = append(all, fault{f.Name, f.Want, slots, func(r *request) { f.Spoil(r.Args) }})
	}
	return all
}

func sizeFaults() []fault {
	size := func(size uintptr) func(*request) { return func(r *request) { r.size = size } }
	return []fault{
		{"larger than a page", unix.E2BIG, "memory", size(clone.MaxSize + 1)},
		{"smaller than the first version", unix.EINVAL, "memory", size(clone.SizeVer0 - 1)},
		{"unknown member", unix.E2BIG, "memory", func(r *request) { r.Tail[0], r.size = 1, clone.SizeVer3+8 }},
		{"unknown member at the end of the page", unix.E2BIG, "memory", func(r *request) { r.Tail[len(r.Tail)-1], r.size = 1<<63, clone.MaxSize }},
	}
}

func memoryFaults(t *testing.T, nothing []byte) []fault {
	return []fault{
		{"unreadable", unix.EFAULT, "memory", func(r *request) {
			r.where = func() *clone.Args { return (*clone.Args)(unsafe.Pointer(&nothing[0])) }
		}},
		{"half readable", unix.EFAULT, "memory", func(r *request) {
			r.where = func() *clone.Args { return cutOff(t, r, clone.SizeVer3-1) }
		}},
		{"unreadable zeros beyond the known members", unix.EFAULT, "memory", func(r *request) {
			r.size = clone.SizeVer3 + 8
			r.where = func() *clone.Args { return cutOff(t, r, clone.SizeVer3) }
		}},
	}
}

// cutOff puts the first size bytes of the arguments at the end of a page. The
// next page cannot be read.
func cutOff(t *testing.T, r *request, size int) *clone.Args {
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, clone.Bytes(*r.Args)[:size]...)
	r.p.Keep(mem)
	return (*clone.Args)(unsafe.Pointer(&mem[timens.PageSize-size]))
}

// setTID sets set_tid to one PID; then change alters the arguments.
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
		{"exit signal 256", unix.EINVAL, "signal", func(r *request) { r.ExitSignal = 256 }},
		{"cgroup 1<<31", unix.EINVAL, "cgroup", func(r *request) { r.Flags |= unix.CLONE_INTO_CGROUP; r.Cgroup = 1 << 31 }},
	}
}

// signalFault is an exit signal that fits into its eight bits and does not exist.
var signalFault = fault{"exit signal 65", unix.EINVAL, "signal", func(r *request) { r.ExitSignal = 65 }}

// flag returns a fault of flags that are invalid whatever else the call has.
func flag(name, slots string, flags uint64) fault {
	return fault{name, unix.EINVAL, slots, func(r *request) { r.Flags |= flags }}
}

func flagFaults() []fault {
	const detached = 0x400000
	return []fault{
		flag("unknown flag", "bits", 1<<40),
		flag("CLONE_DETACHED", "bits", detached),
		flag("an exit signal in the flags", "bits", uint64(unix.SIGCHLD)),
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

// callerFaults depend on the caller: its capabilities, its limits, and the
// offsets that its clocks allow.
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

// lateFaults are checked when the child's namespaces already exist.
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
		{"PID in a namespace of another owner", unix.EPERM, "tid", setTIDs(100, 100)},
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

// badCgroup returns the descriptor of a cgroup that takes no process: a domain
// cgroup below a threaded one.
func badCgroup(t *testing.T) uint64 {
	h := mountHierarchy(t)
	h.make(t, "threads")
	fd := h.make(t, "threads/processes")
	h.write(t, "threads/cgroup.type", "threaded")
	return fd
}

// attempts is far more than the number of namespaces that the caller may have,
// so that a leak makes a later attempt fail.
const attempts = 16

// A refused clone3() leaks nothing: after many of them the caller has the same
// limits, descriptors and offsets as before.
func TestRefusedOffsetsLeakNothing(t *testing.T) {
	kernel := design.Need(t)
	var list []refusal
	for _, f := range faults(t, kernel) {
		list = append(list, refusal{faults: []fault{f.fault}, times: attempts})
	}
	checkRefusals(t, kernel, list)
}

// A clone3() whose struct clone_args has a wrong size or cannot be read gets the
// error for that, whatever the kernel would check later.
func TestOffsetsRefusedInOrderMemory(t *testing.T) {
	// A kernel without the series answers every size with E2BIG, so that a wrong size
	// alone would prove nothing.
	testRefusedInOrder(t, sizeStage, memoryStage)
}

// A clone3() with a wrong set_tid, exit signal or cgroup gets the error for that,
// whatever the kernel would check later.
func TestOffsetsRefusedInOrderArgument(t *testing.T) { testRefusedInOrder(t, argumentStage) }

// A clone3() with malformed offsets gets the error for that, whatever the kernel
// would check later.
func TestOffsetsRefusedInOrderOffset(t *testing.T) { testRefusedInOrder(t, offsetStage) }

// A clone3() with flags that exclude each other gets EINVAL, whatever the kernel
// would check later.
func TestOffsetsRefusedInOrderFlag(t *testing.T) { testRefusedInOrder(t, flagStage) }

// A clone3() that the caller may not make, or that exceeds a limit, gets the error
// of the first check that it fails.
func TestOffsetsRefusedInOrderCaller(t *testing.T) { testRefusedInOrder(t, callerStage) }

// testRefusedInOrder tries the pairs of faults whose first fault is found at these
// stages. It tries all pairs in the virtual lane, and one in eight in the real
// lane, where a busy host slows the test.
func testRefusedInOrder(t *testing.T, of ...stage) {
	kernel := design.Need(t)
	step := 1
	if !lane.Virtual() {
		step = 8
	}
	all := faults(t, kernel)
	var list []refusal
	n := 0
	for i, first := range all {
		for _, second := range all[i+1:] {
			if !slices.Contains(of, first.stage) || first.want == second.want || !apart(first.fault, second.fault) {
				continue
			}
			if n%step == 0 {
				list = append(list, refusal{faults: []fault{first.fault, second.fault}, times: 1})
			}
			n++
		}
	}
	if len(list) == 0 {
		t.Error("no two faults have different errors")
	}
	checkRefusals(t, kernel, list)
}

// apart reports whether two faults can be combined in one call.
func apart(a, b fault) bool {
	return !slices.ContainsFunc(strings.Fields(a.slots), func(slot string) bool {
		return slices.Contains(strings.Fields(b.slots), slot)
	})
}

// refusal is a call with one or more faults. It must fail with the error of the
// first.
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

// checkRefusals makes each call in a process of its own. It starts 16 processes
// at a time: a nursery with more would not end in time.
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
