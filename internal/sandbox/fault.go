// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
)

var killedLine = regexp.MustCompile(`(?m)^.*(Killed signal terminated program|Cannot allocate memory|virtual memory exhausted).*$`)

// HostFault is the error of a make that ended for another reason than what it
// was to build: the host had no room, no memory or no patience. Nil: the source
// is to blame. out is where make wrote.
func HostFault(ctx context.Context, stage string, err error, log []byte, out string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if full := DiskFull(log, "make", out); full != nil {
		return full
	}
	if ours, ok := errors.AsType[*fs.PathError](err); ok {
		return ours
	}
	if killed := killedLine.Find(log); killed != nil {
		return fmt.Errorf("%s: the compiler was killed or had no memory left: %s; make some free and try again", stage, killed)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("%s: make did not run to its end: %w; try again, after \"make deps\" if a tool is missing", stage, err)
	}
	if none := noSandbox(err, log); none != nil {
		return none
	}
	if by := EndedBy(exit.ProcessState); by != 0 {
		return fmt.Errorf("%s: make did not run to its end: signal: %v; try again", stage, by)
	}
	return nil
}
