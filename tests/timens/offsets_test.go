package timens

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

const offsetsFile = "/proc/self/timens_offsets"

func TestOffsetsFileReadBack(t *testing.T) {
	timens.Need(t)
	for _, ns := range namespaces {
		t.Run(ns.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			file := p.ReadFile(offsetsFile)
			timens.Run(t, timens.Unshared(ns.offsets), p)
			if got, want := timens.Text(t, file), ns.offsets.String(); got != want {
				t.Errorf("inside, %s is\n%swant\n%s", offsetsFile, got, want)
			}
		})
	}
}

// The first process in a namespace freezes its offsets, for itself and for all.
func TestOffsetsFileFrozen(t *testing.T) {
	timens.Need(t)
	offsets := namespaces[0].offsets
	p := timens.NewProgram(t)
	inside := p.WriteFile(offsetsFile, "monotonic 1 0\n")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	after := p.ReadFile(offsetsFile)
	child, err := timens.Unshared(offsets)(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Error(err)
	}
	if err := timens.Write(child.PID, "boottime 1 0\n"); err != unix.EACCES {
		t.Errorf("write to /proc/CHILD/timens_offsets: %v, want %v", err, unix.EACCES)
	}
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	timens.Reap(t, child)
	if err := inside.Err(); err != unix.EACCES {
		t.Errorf("write to %s inside: %v, want %v", offsetsFile, err, unix.EACCES)
	}
	if got, want := timens.Text(t, after), offsets.String(); got != want {
		t.Errorf("after the writes the file is\n%swant\n%s", got, want)
	}
}

func TestOffsetsFileFrozenInitially(t *testing.T) {
	timens.Need(t)
	if err := timens.Write(os.Getpid(), "monotonic 0 0\n"); err != unix.EACCES {
		t.Errorf("write to %s: %v, want %v", offsetsFile, err, unix.EACCES)
	}
}

// A refused write changes neither clock, even if the first line was good.
func TestOffsetsFileRefuses(t *testing.T) {
	timens.Need(t)
	tooEarly := -int64(timens.Now(t, clock.Boottime)/time.Second) - 60
	tests := []struct {
		name, text string
		want       unix.Errno
	}{
		{"nothing", "", unix.EINVAL},
		{"no nanoseconds", "monotonic 1\n", unix.EINVAL},
		{"other clock", "realtime 1 0\n", unix.EINVAL},
		{"other clock by id", "0 1 0\n", unix.EINVAL},
		{"nanoseconds too many", "monotonic 0 1000000000\n", unix.EINVAL},
		{"nanoseconds negative", "boottime 0 -1\n", unix.EINVAL},
		{"no number", "monotonic one 0\n", unix.EINVAL},
		{"good and bad", "monotonic 5 5\nboottime 0\n", unix.EINVAL},
		{"before the epoch", fmt.Sprintf("monotonic %d 0\n", tooEarly), unix.ERANGE},
		{"good and before the epoch", fmt.Sprintf("monotonic 5 5\nboottime %d 0\n", tooEarly), unix.ERANGE},
		{"clock too large", "monotonic 4611686018 0\n", unix.ERANGE},
		{"offset too large", "boottime 9223372037 0\n", unix.ERANGE},
		{"offset too small", "boottime -9223372037 0\n", unix.ERANGE},
		{"largest number", fmt.Sprintf("monotonic %d 999999999\n", math.MaxInt64), unix.ERANGE},
		{"smallest number", fmt.Sprintf("monotonic %d 0\n", math.MinInt64), unix.ERANGE},
	}
	want := namespaces[0].offsets
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := osthread.Run(func() error {
				if err := timens.Unshare(want); err != nil {
					return err
				}
				if err := timens.Write(unix.Gettid(), test.text); err != test.want {
					t.Errorf("write %q: %v, want %v", test.text, err, test.want)
				}
				got, err := os.ReadFile(timens.OffsetsFile(unix.Gettid()))
				if string(got) != want.String() {
					t.Errorf("after the write the file is\n%swant\n%s", got, want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOffsetsFileTakesClockIDs(t *testing.T) {
	timens.Need(t)
	want := namespaces[0].offsets
	text := strings.NewReplacer("monotonic", "1", "boottime", "7").Replace(want.String())
	p := timens.NewProgram(t)
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	write := p.WriteFile(offsetsFile, text)
	file := p.ReadFile(offsetsFile)
	timens.Run(t, timens.Fork, p)
	if err := unshare.Err(); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	if err := write.Err(); err != nil {
		t.Errorf("write %q: %v", text, err)
	}
	if got := timens.Text(t, file); got != want.String() {
		t.Errorf("the file is\n%swant\n%s", got, want)
	}
}

func TestOffsetsFileNeedsCapSysTime(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return err
		}
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		// The range is not looked at: without the capability nothing is told.
		for _, text := range []string{"monotonic 1 0\n", "monotonic -9223372036 0\n"} {
			if err := timens.Write(unix.Gettid(), text); err != unix.EPERM {
				t.Errorf("write %q: %v, want %v", text, err, unix.EPERM)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
