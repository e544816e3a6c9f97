// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/profile"
	"timens-vmtest/tests/internal/timens"
)

// For a caller inside a time namespace, given offsets count from the initial
// clocks, and offsets that are not given are inherited, over many generations.
func TestOffsetsOfGenerations(t *testing.T) {
	kernel := design.Need(t)
	inherit := design.NewTime()
	give := func(o timens.Offsets) *clone.Args { return kernel.Args(o) }
	for _, line := range [][]generation{
		{{give(timens.Ahead), timens.Ahead}, {give(timens.Behind), timens.Behind}},
		{{give(timens.Behind), timens.Behind}, {give(timens.Ahead), timens.Ahead}},
		{{give(timens.Across), timens.Across}, {inherit, timens.Across}, {inherit, timens.Across}},
		{
			{give(timens.Ahead), timens.Ahead}, {give(timens.Across), timens.Across}, {inherit, timens.Across},
			{give(timens.Behind), timens.Behind}, {give(timens.Ahead), timens.Ahead},
		},
	} {
		t.Run(fmt.Sprint(line), func(t *testing.T) { checkLine(t, line) })
	}
}

// generation is a call of clone3() and the offsets that its child must have.
type generation struct {
	args *clone.Args
	want timens.Offsets
}

func (g generation) String() string { return fmt.Sprintf("%v/%v", g.want.Monotonic, g.want.Boottime) }

// checkLine lets each generation report its offsets and make the next one.
func checkLine(t *testing.T, line []generation) {
	t.Helper()
	programs := make([]*clone.Program, len(line))
	steps := make([]*profile.Steps, len(line))
	for i := range line {
		programs[i] = timens.NewProgram(t)
		steps[i] = profile.Add(programs[i], line[i].want)
	}
	for i := range line[1:] {
		fork := programs[i].Fork(line[i+1].args, clone.SizeVer3, programs[i+1])
		programs[i].Wait(fork)
	}
	before := measureBase(t)
	began := timens.Now(t, clock.Realtime)
	timens.Run(t, design.Launch(line[0].args), programs[0])
	base := before.Or(measureBase(t))
	seen := map[string]bool{threadLink(t, "time"): true}
	for i, g := range line {
		got, err := steps[i].Read(began, base)
		if err != nil {
			t.Fatalf("generation %d: %v", i+1, err)
		}
		for _, wrong := range got.Check(g.want) {
			t.Errorf("generation %d: %s", i+1, wrong)
		}
		if seen[got.Current] {
			t.Errorf("generation %d is in %s, the namespace of an earlier one", i+1, got.Current)
		}
		seen[got.Current] = true
	}
}

// The range of an offset is checked against the initial clock, whatever the
// caller's own shifted clock shows.
func TestOffsetsRangeIsOfInitialClock(t *testing.T) {
	kernel := design.Need(t)
	mono, boot := timens.Now(t, clock.Monotonic), timens.Now(t, clock.Boottime)
	lowest := timens.Offsets{Monotonic: -mono, Boottime: -boot}
	highest := timens.Offsets{Monotonic: maxClock - mono - time.Hour, Boottime: maxClock - boot - time.Hour}
	for _, test := range []struct {
		name         string
		outer, inner timens.Offsets
		want         unix.Errno
	}{
		{"monotonic an hour before boot, in a namespace a day ahead", timens.Ahead, timens.Offsets{Monotonic: -mono - time.Hour, Boottime: time.Second}, unix.ERANGE},
		{"boottime an hour before boot, in a namespace two days ahead", timens.Ahead, timens.Offsets{Monotonic: time.Second, Boottime: -boot - time.Hour}, unix.ERANGE},
		{"lowest in lowest", lowest, lowest, 0},
		{"highest in highest", highest, highest, 0},
		{"highest in lowest", lowest, highest, 0},
		{"lowest in highest", highest, lowest, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, inner := timens.NewProgram(t), timens.NewProgram(t)
			fork := p.Fork(kernel.Args(test.inner), clone.SizeVer3, inner)
			p.Wait(fork)
			timens.Run(t, design.Launch(kernel.Args(test.outer)), p)
			if err := fork.Err(); err != test.want && (err != nil || test.want != 0) {
				t.Errorf("clone3 with %v in %v: %v, want %v", test.inner, test.outer, err, test.want)
			}
		})
	}
}
