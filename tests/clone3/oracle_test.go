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

// backend adds to p the making of a child in a new time namespace with offsets,
// and maybe in a new user namespace. The error is that of the step which refused
// the offsets, if any did.
type backend func(p, child *clone.Program, o timens.Offsets, flags uint64) (refused func() error, fork clone.Result)

// asRuntimesDo is the container runtimes' way: a process of its own unshares the
// namespace, writes its offsets and enters it by a fork.
func asRuntimesDo(p, child *clone.Program, o timens.Offsets, flags uint64) (func() error, clone.Result) {
	p.Syscall(unix.SYS_UNSHARE, uintptr(unix.CLONE_NEWTIME|flags))
	write := p.WriteFile(offsetsFile, o.String())
	return write.Err, p.Fork(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, child)
}

// inOneCall is what the series are for.
func inOneCall(kernel design.Name) backend {
	return func(p, child *clone.Program, o timens.Offsets, flags uint64) (func() error, clone.Result) {
		args := kernel.Args(o)
		args.Flags |= flags
		fork := p.Fork(args, clone.SizeVer3, child)
		return fork.Err, fork
	}
}

// pairSeed makes the offsets the same ones every time.
const pairSeed = 20200317

// pairs is how many are tried in each situation: less where a busy host shows.
func pairs() int {
	if lane.Virtual() {
		return 60
	}
	return 8
}

// What a program sees is the same whichever way its namespace was made, and so
// is what cannot be had.
func TestOffsetsAreThoseOfRuntimes(t *testing.T) { compareRuntimes(t, timens.Fork, 0) }

// The same for a namespace that belongs to a user namespace of its own.
func TestOffsetsAreThoseOfRuntimesRootless(t *testing.T) {
	compareRuntimes(t, timens.Fork, unix.CLONE_NEWUSER)
}

// The same from inside another time namespace.
func TestOffsetsAreThoseOfRuntimesNested(t *testing.T) {
	compareRuntimes(t, timens.Unshared(timens.Ahead), 0)
}

// The same for both at once.
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

// table is what one process has done by two backends, a child of its own each.
type table struct {
	nursery *clone.Program
	rows    []row
}

type row struct {
	offsets timens.Offsets
	ways    [2]way
}

// way is what came of a pair of offsets by one of the backends.
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

// randomOffset is of any size, mostly good and never 0, which some design cannot
// ask for. No limit is so near that it would matter when it is looked at.
func randomOffset(random *rand.Rand) time.Duration {
	size := time.Duration(random.Int64N(1 << (1 + random.IntN(62))))
	switch random.IntN(8) {
	case 0:
		return -size - time.Hour // no guest has been up for so long
	case 1, 2, 3:
		return -size%(500*time.Millisecond) - 1
	case 4:
		return size - size%time.Second + time.Second
	}
	return size + 1
}

// compare reports whether the offsets were refused.
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
