// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"math/bits"
	"testing"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

// Callers compiled against any version of struct clone_args go on working, and
// those of a future one as long as what they add is zero.
func TestSizes(t *testing.T) {
	timens.Need(t)
	for _, size := range []uintptr{
		clone.SizeVer0, clone.SizeVer1, clone.SizeVer2, clone.SizeVer2 + 8, clone.SizeVer3, clone.SizeVer3 + 8, clone.MaxSize,
		clone.SizeVer0 + 4, clone.SizeVer2 + 1, clone.SizeVer3 - 1,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := timens.NewProgram(t)
			link := p.ReadLink(current)
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(design.NewTime(), size, p) }
			timens.Run(t, launch, p)
			if got, parent := timens.Text(t, link), threadLink(t, "time"); got == parent {
				t.Errorf("the child is in its parent's namespace %s", got)
			}
		})
	}
}

func TestSizesRefused(t *testing.T) {
	timens.Need(t)
	for size, want := range map[uintptr]unix.Errno{
		0:                        unix.EINVAL,
		clone.SizeVer0 - 1:       unix.EINVAL,
		clone.MaxSize + 1:        unix.E2BIG,
		1 << (bits.UintSize - 1): unix.E2BIG, // 0 where only some bits are looked at
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { design.RefuseSize(t, design.NewTime(), size, want) })
	}
}

// What the kernel does not know must not be asked of it.
func TestUnknownMembersRefused(t *testing.T) {
	timens.Need(t)
	for _, word := range []int{0, 1, len(clone.Args{}.Tail) - 1} {
		t.Run(fmt.Sprintf("byte %d", clone.SizeVer3+8*word), func(t *testing.T) {
			args := design.NewTime()
			args.Tail[word] = 1
			design.RefuseSize(t, args, clone.MaxSize, unix.E2BIG)
		})
	}
}

// Behind the size that the caller gives nothing is read.
func TestMembersBeyondSizeIgnored(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.Offsets = [2]uint64{1 << 63, 1 << 63} // good in no design
	args.Tail[0] = 1
	for _, size := range []uintptr{clone.SizeVer0, clone.SizeVer1, clone.SizeVer2} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, size, p) }
			timens.CheckShifts(t, timens.Measure(t, launch, clock.VDSO, timens.Clocks...), timens.Offsets{})
		})
	}
}

func TestArgumentsUnreadable(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	nowhere := p.Clone3(nil, clone.SizeVer3)
	timens.Run(t, timens.Fork, p)
	if err := nowhere.Err(); err != unix.EFAULT {
		t.Errorf("clone3(NULL): %v, want %v", err, unix.EFAULT)
	}
}
