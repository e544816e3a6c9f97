// The tests in this file need the series timens-offset.

package clone3

import (
	"testing"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

// attempts are many more than the namespaces that the tests allow.
const attempts = 16

// A clone3() that fails, before or after the namespace was made, gives it back:
// where one is allowed, one can still be made after many failures.
func TestRefusedOffsetsLeakNothing(t *testing.T) {
	kernel := design.Need(t)
	noPIDFile := kernel.Args(timens.Ahead)
	noPIDFile.Flags |= unix.CLONE_PIDFD // into no memory, which is found last
	taken := kernel.Args(timens.Ahead)
	taken.Flags |= unix.CLONE_NEWPID
	tids := []int32{2} // the first process of a PID namespace has to be 1
	taken.SetTID, taken.SetTIDSize = &tids[0], 1

	tests := []struct {
		name string
		args *clone.Args
		want unix.Errno
	}{
		{"range", kernel.Args(outOfRange[0]), unix.ERANGE},
		{"range of the second", kernel.Args(outOfRange[1]), unix.ERANGE},
		{"pidfd", noPIDFile, unix.EFAULT},
		{"set_tid", taken, unix.EINVAL},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			limitNamespaces(p, "1")
			var failures []clone.Result
			for range attempts {
				failures = append(failures, p.Clone3(test.args, clone.SizeVer3))
			}
			last := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
			timens.Run(t, timens.Fork, p)
			for i, failure := range failures {
				if err := failure.Err(); err != test.want {
					t.Fatalf("clone3 number %d: %v, want %v", i+1, err, test.want)
				}
			}
			if err := last.Err(); err != nil {
				t.Errorf("unshare after %d failures: %v", attempts, err)
			}
		})
	}
}

// The limit holds for namespaces with offsets, and is told of last.
func TestOffsetsRefusedOverLimit(t *testing.T) {
	kernel := design.Need(t)
	p := timens.NewProgram(t)
	limitNamespaces(p, "0")
	good := p.Clone3(kernel.Args(timens.Ahead), clone.SizeVer3)
	bad := p.Clone3(kernel.Args(outOfRange[1]), clone.SizeVer3)
	timens.Run(t, timens.Fork, p)
	if err := good.Err(); err != unix.ENOSPC {
		t.Errorf("clone3 over the limit: %v, want %v", err, unix.ENOSPC)
	}
	if err := bad.Err(); err != unix.ERANGE {
		t.Errorf("clone3 over the limit with a bad offset: %v, want %v", err, unix.ERANGE)
	}
}

// limitNamespaces adds steps that bring the child into a user namespace, for
// which alone the number of time namespaces is limited.
func limitNamespaces(p *clone.Program, limit string) {
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	p.WriteFile("/proc/sys/user/max_time_namespaces", limit)
}
