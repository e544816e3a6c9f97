// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/profile"
	"timens-vmtest/tests/internal/timens"
)

// Random calls of clone3() have the result that a model of the rules predicts.
// They are calls that would succeed, with up to three changes, since most
// purely random arguments fail with the same error.
func TestRandomCalls(t *testing.T) {
	testRandomCalls(t, timens.Fork, timens.Offsets{})
}

// Random calls of clone3() from inside another time namespace have the result
// that a model of the rules predicts.
func TestRandomCallsNested(t *testing.T) {
	testRandomCalls(t, timens.Unshared(timens.Ahead), timens.Ahead)
}

func testRandomCalls(t *testing.T, launch clone.Launcher, home timens.Offsets) {
	kernel := design.Need(t)
	seed := randomSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat the same calls, set randomSeed in tests/clone3/seed_test.go to %d", seed)
	beUpFor(t, 2*time.Second)
	random := rand.New(rand.NewPCG(seed, 0))
	batches := 3
	if lane.Virtual() {
		batches = 10
	}
	here := situation{now: home, children: home, sysAdmin: true, sysTime: true, signalLate: signalCheckedLate(t)}
	// List the rarer errors too, so that the log shows which of them never
	// occurred.
	seen := map[unix.Errno]int{unix.EACCES: 0, unix.EEXIST: 0, unix.EFAULT: 0, unix.ENOSPC: 0}
	wanted := []unix.Errno{0, unix.E2BIG, unix.EINVAL, unix.EPERM, unix.ERANGE}
	scarce := func(errno unix.Errno) bool { return seen[errno] < batches }
	n := 0
	for n < batches || n < 4*batches && slices.ContainsFunc(wanted, scarce) { // until every wanted error has occurred, or there are too many batches
		randomBatch(t, kernel, random, launch, here, seen)
		n++
		if t.Failed() {
			break
		}
	}
	t.Logf("outcomes: %v", seen)
	for _, errno := range wanted {
		if scarce(errno) {
			t.Errorf("only %d of %d calls returned %v, too few to test it", seen[errno], n*batchSize, errno)
		}
	}
}

// batchSize is how many children one process makes. Each child makes one call.
const batchSize = 48

// trial is an attempt by a process in some situation.
type trial struct {
	situation
	attempt
	meaning design.Meaning
	fork    clone.Result
	began   clone.Reading
	steps   *profile.Steps
	ended   clone.Ended
}

func randomBatch(t *testing.T, kernel design.Name, random *rand.Rand, launch clone.Launcher, home situation, seen map[unix.Errno]int) {
	t.Helper()
	nursery := timens.NewProgram(t)
	nursery.Slim()
	now := map[clock.ID]time.Duration{clock.Monotonic: timens.Now(t, clock.Monotonic), clock.Boottime: timens.Now(t, clock.Boottime)}
	var trials []*trial
	for range batchSize {
		tr := &trial{situation: home}
		for { // until the attempt makes no child, or one that its caller can wait for
			tr.attempt = newAttempt(kernel, random)
			tr.meaning = kernel.Meaning(tr.flags, tr.words, tr.memory)
			if tr.flags&(unix.CLONE_THREAD|unix.CLONE_PARENT) == 0 || tr.predict(tr.attempt, tr.meaning, now) != 0 {
				break
			}
		}
		tr.add(nursery, random)
		trials = append(trials, tr)
	}
	before := measureBase(t)
	timens.RunMany(t, launch, nursery)
	base := before.Or(measureBase(t))
	for _, tr := range trials {
		want := tr.predict(tr.attempt, tr.meaning, now)
		seen[want]++
		tr.check(t, want, base)
	}
}

// add lets a child of nursery get into a random situation and make the attempt.
func (tr *trial) add(nursery *clone.Program, random *rand.Rand) {
	stage, child := nursery.Sub(), nursery.Sub()
	birth := &clone.Args{ExitSignal: uint64(unix.SIGCHLD)}
	if random.IntN(4) == 0 {
		tr.user = true
		birth.Flags |= unix.CLONE_NEWUSER
		stage.WriteFile("/proc/self/uid_map", "0 0 1")
		stage.WriteFile("/proc/self/setgroups", "deny")
		stage.WriteFile("/proc/self/gid_map", "0 0 1")
		if random.IntN(4) == 0 {
			tr.limited = true
			stage.WriteFile("/proc/sys/user/max_time_namespaces", "0")
		}
	}
	if !tr.limited && random.IntN(3) == 0 {
		tr.pending, tr.children = true, timens.Across
		stage.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		stage.WriteFile(offsetsFile, tr.children.String())
	}
	switch random.IntN(6) {
	case 0:
		tr.sysAdmin = false
		capability.LoseInside(stage, unix.CAP_SYS_ADMIN)
	case 1:
		tr.sysTime = false
		capability.LoseInside(stage, unix.CAP_SYS_TIME)
	}
	tr.began = stage.ClockGettime(clock.Realtime, clock.Syscall)
	tr.steps = profile.AddBrief(child, timens.Offsets{Monotonic: maxClock})
	tr.fork = stage.Fork(tr.args(stage), tr.size, child)
	stage.Wait(tr.fork)
	tr.ended = nursery.Wait(nursery.Fork(birth, clone.SizeVer0, stage))
}

// args returns the attempt's arguments, with all memory in p.
func (a attempt) args(p *clone.Program) *clone.Args {
	args := &clone.Args{
		Flags: a.flags, ExitSignal: a.exitSignal, SetTIDSize: a.pidSize,
		Pidfd: p.Word().Int32(), ParentTID: p.Word().Int32(), ChildTID: p.Word().Int32(),
	}
	args.Lack(a.words[0], a.words[1])
	if a.memory != nil {
		args.Hold(a.memory, a.words[1])
	}
	if a.pids != nil {
		args.SetTID = p.PIDs(a.pids...)
	}
	if a.tail {
		args.Tail[0] = 1
	}
	return args
}

func (tr *trial) check(t *testing.T, want unix.Errno, base profile.Base) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%v\nby %+v: "+format, append([]any{tr.attempt, tr.situation}, args...)...)
	}
	if status, err := tr.ended.Status(); err != nil || status != 0 {
		fail("the caller ended with %#x, %v, want exit(0)", int(status), err)
	}
	err := tr.fork.Err()
	switch {
	case want == 0 && err != nil:
		fail("clone3: %v, want success", err)
	case want != 0 && err != want:
		fail("clone3: %v, want %v", err, want)
	case want == 0:
		told, err := tr.steps.Read(timens.Time(t, tr.began), base)
		if err != nil {
			fail("the child: %v", err)
			return
		}
		for _, wrong := range tr.predictEffect(tr.attempt, tr.meaning).check(told) {
			fail("%s", wrong)
		}
	}
}

// newAttempt returns a call that would succeed, with up to three changes.
func newAttempt(kernel design.Name, random *rand.Rand) attempt {
	a := attempt{flags: unix.CLONE_NEWTIME, exitSignal: uint64(unix.SIGCHLD), size: clone.SizeVer3}
	a.offsets(kernel, random)
	for range random.IntN(4) {
		a.change(kernel, random)
	}
	if a.size < clone.SizeVer3 { // offsets beyond the size are tested by TestOffsetsCutOff
		a.withoutOffsets()
	}
	if a.size < clone.SizeVer1 {
		a.pids, a.pidSize = nil, 0
	}
	return a
}

// someFlags are all flags that work without ptrace and without register
// arguments, and some undefined bits.
var someFlags = []uint64{
	unix.CLONE_VM, unix.CLONE_VM, unix.CLONE_VFORK, unix.CLONE_FS, unix.CLONE_FILES, unix.CLONE_SIGHAND,
	unix.CLONE_VM | unix.CLONE_SIGHAND, unix.CLONE_THREAD, unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD,
	unix.CLONE_SYSVSEM, unix.CLONE_IO, unix.CLONE_CLEAR_SIGHAND, unix.CLONE_PARENT, unix.CLONE_UNTRACED,
	unix.CLONE_PIDFD, unix.CLONE_PARENT_SETTID, unix.CLONE_CHILD_SETTID, unix.CLONE_CHILD_CLEARTID,
	unix.CLONE_NEWNS, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWCGROUP,
	unix.CLONE_NEWUSER, unix.CLONE_NEWUSER, unix.CLONE_NEWTIME, unix.CLONE_NEWTIME,
	1, 1 << 6, 0x400000, 1 << 40, 1 << 63,
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func (a *attempt) change(kernel design.Name, random *rand.Rand) {
	switch random.IntN(9) {
	case 0, 1, 2:
		a.flags ^= pick(random, someFlags...)
	case 3:
		a.size = pick[uintptr](random, 0, 63, 64, 80, 88, 104, 112, 1000, 4096, 4097, 1<<31)
		a.tail = a.size > clone.SizeVer3 && random.IntN(3) == 0
	case 4:
		a.exitSignal = pick[uint64](random, 0, 0, 10, 64, 65, 255, 256, 1<<40)
	case 5:
		a.pids = pick(random, []int32{1}, []int32{1, 1}, []int32{0}, []int32{-1}, []int32{1, 1, 1}, make([]int32, 33))
		a.pidSize = uint64(len(a.pids))
		switch random.IntN(8) {
		case 0:
			a.pids = nil
		case 1:
			a.pidSize = 0
		case 2, 3:
			a.flags |= unix.CLONE_NEWPID
		}
	case 6:
		a.withoutOffsets()
	default:
		a.offsets(kernel, random)
		a.spoilOffsets(kernel, random)
	}
}

func (a *attempt) withoutOffsets() {
	a.flags &^= bits.TimensMonotonic | bits.TimensBoottime
	a.words, a.memory = [2]uint64{}, nil
}

// offsets gives the attempt random offsets of one clock or both, mostly valid ones.
func (a *attempt) offsets(kernel design.Name, random *rand.Rand) {
	a.withoutOffsets()
	ids := pick(random, timens.Clocks, timens.Clocks, timens.Clocks[:1], timens.Clocks[1:])
	args := clone.Args{Flags: a.flags}
	kernel.SetOnly(&args, timens.Offsets{Monotonic: offsetInReach(random), Boottime: offsetInReach(random)}, ids...)
	a.flags, a.words, a.memory = args.Flags, args.Offsets, slices.Clone(args.Held())
}

// offsetInReach returns an offset that is valid, or so far out of range that
// the time of the check does not matter.
func offsetInReach(random *rand.Rand) time.Duration {
	switch random.IntN(10) {
	case 0:
		return pick[time.Duration](random, math.MinInt64, math.MinInt64+1, -1<<62, -time.Hour, math.MaxInt64, 1<<62+1<<61)
	case 1:
		return pick[time.Duration](random, 0, 1, -1, time.Second, -time.Second, time.Second-1, 1-time.Second)
	}
	return randomOffset(random)%maxClock/2 + 1
}

// spoilOffsets changes what is particular to the kernel's design.
func (a *attempt) spoilOffsets(kernel design.Name, random *rand.Rand) {
	switch kernel {
	case design.InlineNS:
		switch random.IntN(3) {
		case 0:
			a.words[random.IntN(2)] = 0
		case 1:
			a.words[random.IntN(2)] = 1
		case 2:
			a.flags ^= pick[uint64](random, bits.TimensMonotonic, bits.TimensBoottime)
		}
	case design.Namespaces:
		a.words[1] = pick[uint64](random, 0, 8, 16, 63, 64, 64, 64, 65, 72, 4096, 4097, 1<<32+64)
		a.memory = append(a.memory, make([]byte, 4096)...)
		if random.IntN(2) == 0 {
			a.memory[pick(random, 0, 1, 7, 8, 16, 24, 31, 63, 64, 65, 4095)] = byte(pick(random, 0, 1, 2, 3, 4))
		}
	default:
		a.words[1] = pick[uint64](random, 0, 1, 1, 2, 2, 2, 3, 1<<63, math.MaxUint64)
		a.memory = append(a.memory, make([]byte, 24)...)[:48] // for two elements
		e := random.IntN(2) * 24
		if random.IntN(2) == 0 {
			a.memory[e+pick(random, 0, 4, 12, 20, 23)] = byte(pick(random, 0, 1, 7, 0x80))
		}
	}
	if kernel != design.InlineNS && random.IntN(6) == 0 {
		a.words[0], a.memory = pick[uint64](random, 0, design.Nowhere), nil
	}
}
