// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/profile"
	"timens-vmtest/tests/internal/timens"
)

// backend is a way to make a child in a new time namespace with offsets, and
// with further flags such as CLONE_NEWUSER. It adds the steps to p and returns
// the error of the step that sets the offsets.
type backend func(p, child *clone.Program, o timens.Offsets, flags uint64) (refused func() error, fork clone.Result)

// asRuntimesDo does what container runtimes do: a process unshares the namespace,
// writes timens_offsets, and forks.
func asRuntimesDo(p, child *clone.Program, o timens.Offsets, flags uint64) (func() error, clone.Result) {
	p.Syscall(unix.SYS_UNSHARE, uintptr(unix.CLONE_NEWTIME|flags))
	write := p.WriteFile(offsetsFile, o.String())
	return write.Err, p.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, child)
}

// inOneCall is clone3() with offsets.
func inOneCall(kernel design.Name) backend {
	return func(p, child *clone.Program, o timens.Offsets, flags uint64) (func() error, clone.Result) {
		args := kernel.Args(o)
		args.Flags |= flags
		fork := p.Fork(args, clone.SizeVer3, child)
		return fork.Err, fork
	}
}

// pairSeed is constant so that every run tests the same offsets.
const pairSeed = 20200317

// pairs is the number of pairs of offsets that each test tries. It is lower in
// the real lane, where a busy host slows the test.
func pairs() int {
	if lane.Virtual() {
		return 60
	}
	return 8
}

// clone3() with offsets has the same results and the same errors as unshare(),
// a write to timens_offsets, and fork(), which container runtimes use.
func TestOffsetsAreThoseOfRuntimes(t *testing.T) { compareRuntimes(t, timens.Fork, 0) }

// With a new user namespace, clone3() with offsets has the same results and
// errors as unshare(), a write to timens_offsets, and fork().
func TestOffsetsAreThoseOfRuntimesRootless(t *testing.T) {
	compareRuntimes(t, timens.Fork, unix.CLONE_NEWUSER)
}

// From inside another time namespace, clone3() with offsets has the same
// results and errors as unshare(), a write to timens_offsets, and fork().
func TestOffsetsAreThoseOfRuntimesNested(t *testing.T) {
	compareRuntimes(t, timens.Unshared(timens.Ahead), 0)
}

// From inside another time namespace and with a new user namespace, clone3()
// with offsets has the same results and errors as unshare(), a write to
// timens_offsets, and fork().
func TestOffsetsAreThoseOfRuntimesNestedRootless(t *testing.T) {
	compareRuntimes(t, timens.Unshared(timens.Behind), unix.CLONE_NEWUSER)
}

func compareRuntimes(t *testing.T, launch clone.Launcher, flags uint64) {
	table := newTable(t, design.Need(t), flags)
	before := measureBase(t)
	timens.RunMany(t, launch, table.nursery)
	base := before.Or(measureBase(t))
	refused := 0
	for _, row := range table.rows {
		if row.compare(t, base) {
			refused++
		}
	}
	if refused == 0 || refused > pairs()/2 {
		t.Errorf("%d of %d pairs were refused, want some", refused, pairs())
	}
}

// table is what one process does: for each pair of offsets it makes a child by
// either backend.
type table struct {
	nursery *clone.Program
	rows    []row
}

type row struct {
	offsets timens.Offsets
	ways    [2]way
}

// way is the result of one backend for a pair of offsets.
type way struct {
	began   clone.Reading
	refused func() error
	steps   *profile.Steps
}

func newTable(t *testing.T, kernel design.Name, flags uint64) table {
	nursery := timens.NewProgram(t)
	nursery.Slim()
	random := rand.New(rand.NewPCG(pairSeed, 0))
	out := table{nursery: nursery}
	for range pairs() {
		r := row{offsets: timens.Offsets{Monotonic: randomOffset(random), Boottime: randomOffset(random)}}
		for i, b := range []backend{asRuntimesDo, inOneCall(kernel)} {
			stage, child := nursery.Sub(), nursery.Sub()
			w := way{began: stage.ClockGettime(clock.Realtime, clock.Syscall), steps: profile.Add(child, r.offsets)}
			var fork clone.Result
			w.refused, fork = b(stage, child, r.offsets, flags)
			stage.Wait(fork)
			nursery.Wait(nursery.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, stage))
			r.ways[i] = w
		}
		out.rows = append(out.rows, r)
	}
	return out
}

// randomOffset returns an offset of any size, mostly a valid one. It is never 0,
// which inline-ns cannot express. It is never so close to a limit that the result
// depends on when the kernel checks it.
func randomOffset(random *rand.Rand) time.Duration {
	size := time.Duration(random.Int64N(1 << (1 + random.IntN(62))))
	switch random.IntN(8) {
	case 0:
		return -size - time.Hour // before the boot, unless a long wait in virtual time came before
	case 1, 2, 3:
		return -size%(500*time.Millisecond) - 1
	case 4:
		return size - size%time.Second + time.Second
	}
	return size + 1
}

// compare compares the results of both backends, and reports whether the
// offsets were refused.
func (r row) compare(t *testing.T, base profile.Base) (refused bool) {
	t.Helper()
	name := fmt.Sprintf("%v, %v", r.offsets.Monotonic, r.offsets.Boottime)
	if one, other := r.ways[0].refused(), r.ways[1].refused(); one != nil || other != nil {
		if one != other {
			t.Errorf("%s: by unshare() and write(): %v; by clone3(): %v", name, one, other)
		}
		return true
	}
	var got [2]profile.Profile
	for i, w := range r.ways {
		var err error
		if got[i], err = w.steps.Read(timens.Time(t, w.began), base); err != nil {
			t.Errorf("%s: %v", name, err)
			return false
		}
	}
	for _, differ := range got[0].Differ(got[1]) {
		t.Errorf("%s: by unshare() and by clone3(): %s", name, differ)
	}
	for _, wrong := range got[1].Check(r.offsets) {
		t.Errorf("%s: %s", name, wrong)
	}
	return false
}
