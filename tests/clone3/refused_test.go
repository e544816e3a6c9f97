// The tests in this file need the series timens-offset. A kernel without it
// says E2BIG to all of them.

package clone3

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

func TestOffsetsRefusedCount(t *testing.T) {
	needSeries(t)
	three := append(elements(ahead), element(clock.Boottime, time.Second))
	tests := []struct {
		name  string
		first *clone.TimensOffset
		count uint64
	}{
		{"three", &three[0], 3},
		{"overflowing", &three[0], 1<<63 + 1},
		{"most", &three[0], math.MaxUint64},
		{"pointer without count", &three[0], 0},
		{"count without pointer", nil, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := newTime()
			args.TimensOffset, args.TimensOffsetSize = test.first, test.count
			refuse(t, args, clone.SizeVer3, unix.EINVAL)
		})
	}
}

func TestOffsetsRefusedClock(t *testing.T) {
	needSeries(t)
	for _, id := range []clock.ID{
		clock.Realtime, clock.MonotonicRaw, clock.MonotonicCoarse, clock.TAI,
		unix.CLOCK_PROCESS_CPUTIME_ID, unix.CLOCK_BOOTTIME_ALARM, 64, 1 + 64, -1, math.MaxInt32, math.MinInt32,
	} {
		t.Run(id.String(), func(t *testing.T) {
			refuse(t, newTime(element(id, time.Second)), clone.SizeVer3, unix.EINVAL)
			refuse(t, newTime(element(clock.Monotonic, time.Second), element(id, time.Second)), clone.SizeVer3, unix.EINVAL)
		})
	}
}

// Which of two offsets of one clock is meant cannot be known.
func TestOffsetsRefusedTwice(t *testing.T) {
	needSeries(t)
	for _, id := range bothClocks {
		t.Run(id.String(), func(t *testing.T) {
			refuse(t, newTime(element(id, time.Second), element(id, time.Second)), clone.SizeVer3, unix.EINVAL)
		})
	}
}

func TestOffsetsRefusedPad(t *testing.T) {
	needSeries(t)
	for i := range 2 {
		list := elements(ahead)
		list[i].Pad = 1 << 31
		refuse(t, newTime(list...), clone.SizeVer3, unix.EINVAL)
	}
}

// A negative or large number of nanoseconds in the vDSO's page would make every
// reading of the clock take minutes.
func TestOffsetsRefusedNanoseconds(t *testing.T) {
	needSeries(t)
	for i := range 2 {
		for _, nsec := range []int64{-1, 1e9, 1<<32 + 5, math.MaxInt64, math.MinInt64} {
			list := elements(ahead)
			list[i].Nsec = nsec
			refuse(t, newTime(list...), clone.SizeVer3, unix.EINVAL)
		}
	}
}

func TestOffsetsRefusedAddress(t *testing.T) {
	needSeries(t)
	const page = 4096
	mem, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem) // only memory
	// The last whole element in front of the unreadable page.
	last := (*clone.TimensOffset)(unsafe.Pointer(&mem[page-unsafe.Sizeof(clone.TimensOffset{})]))
	*last = element(clock.Monotonic, time.Second)
	if err := unix.Mprotect(mem[page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	half := (*clone.TimensOffset)(unsafe.Pointer(&mem[page-8]))
	none := (*clone.TimensOffset)(unsafe.Pointer(&mem[page]))
	tests := []struct {
		name  string
		first *clone.TimensOffset
		count uint64
	}{
		{"unreadable", none, 1},
		{"half readable", half, 1},
		{"second unreadable", last, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := newTime()
			args.TimensOffset, args.TimensOffsetSize = test.first, test.count
			refuse(t, args, clone.SizeVer3, unix.EFAULT)
		})
	}
	t.Run("first readable", func(t *testing.T) {
		want := timens.Offsets{Monotonic: time.Second}
		args := newTime()
		args.TimensOffset, args.TimensOffsetSize = last, 1
		checkShifts(t, timens.Measure(t, launch(args), clock.Syscall, bothClocks...), want)
	})
}

// The answer tells user space, without any child, that the kernel knows the
// members: one that does not says E2BIG.
func TestOffsetsRefusedWithoutNewTime(t *testing.T) {
	needSeries(t)
	for name, flags := range map[string]uint64{"none": 0, "uts": unix.CLONE_NEWUTS, "vfork": unix.CLONE_VM | unix.CLONE_VFORK} {
		t.Run(name, func(t *testing.T) {
			args := newTime(elements(ahead)...)
			args.Flags = flags
			refuse(t, args, clone.SizeVer3, unix.EINVAL)
		})
	}
}

// A thread cannot enter a time namespace that its process is not in.
func TestOffsetsRefusedWithThread(t *testing.T) {
	needSeries(t)
	args := newTime(elements(ahead)...)
	args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	args.ExitSignal = 0
	refuse(t, args, clone.SizeVer3, unix.EINVAL)
}

func TestOffsetsRefusedRange(t *testing.T) {
	needSeries(t)
	for _, id := range bothClocks {
		up := int64(timens.Now(t, id) / time.Second)
		for name, sec := range map[string]int64{
			"before zero":          -up - 60,
			"smallest offset":      -secMax,
			"offset too small":     -secMax - 1,
			"smallest number":      math.MinInt64,
			"clock too large":      secMax / 2,
			"largest offset":       secMax,
			"offset too large":     secMax + 1,
			"largest number":       math.MaxInt64,
			"wraps to a small one": math.MaxInt64 - up,
		} {
			t.Run(id.String()+"/"+name, func(t *testing.T) {
				bad := clone.TimensOffset{Clock: int32(id), Sec: sec, Nsec: 999999999}
				refuse(t, newTime(bad), clone.SizeVer3, unix.ERANGE)
			})
		}
	}
}

// One good offset does not make up for a bad one, wherever it stands.
func TestOffsetsRefusedTogether(t *testing.T) {
	needSeries(t)
	bad := clone.TimensOffset{Clock: int32(clock.Boottime), Sec: -secMax}
	good := element(clock.Monotonic, time.Second)
	refuse(t, newTime(bad, good), clone.SizeVer3, unix.ERANGE)
	refuse(t, newTime(good, bad), clone.SizeVer3, unix.ERANGE)
}

// Without the capability nothing is told about the range. Only offsets need it.
func TestOffsetsRefusedWithoutCapSysTime(t *testing.T) {
	needSeries(t)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		refuse(t, newTime(elements(ahead)...), clone.SizeVer3, unix.EPERM)
		refuse(t, newTime(element(clock.Monotonic, 0)), clone.SizeVer3, unix.EPERM)
		refuse(t, newTime(clone.TimensOffset{Clock: int32(clock.Monotonic), Sec: -secMax}), clone.SizeVer3, unix.EPERM)
		p := timens.NewProgram(t)
		timens.Run(t, launch(newTime()), p)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOffsetsRefusedWithoutCapSysAdmin(t *testing.T) {
	needSeries(t)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		refuse(t, newTime(elements(ahead)...), clone.SizeVer3, unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
