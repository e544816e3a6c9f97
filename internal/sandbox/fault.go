// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"

	"timens-vmtest/internal/blame"
)

var killedLine = regexp.MustCompile(`(?m)^.*(Killed signal terminated program|Cannot allocate memory|virtual memory exhausted).*$`)

// HostFault returns an error if make failed because of the host and not because of
// the source that it built: the disk was full, there was no memory, there was no
// sandbox, or somebody ended it. It returns nil if the source is to blame, and so if
// make broke a bound. err is how
// make ended, log is all that it printed, and out is the folder where it wrote.
func HostFault(ctx context.Context, stage string, err error, log []byte, out string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, bound := errors.AsType[*blame.BoundError](err); bound {
		return nil
	}
	if full := DiskFull(log, "make", out); full != nil {
		return full
	}
	if ours, ok := errors.AsType[*fs.PathError](err); ok {
		return ours
	}
	if killed := killedLine.Find(log); killed != nil {
		return fmt.Errorf("%s: the compiler was killed or had no memory left: %s; free some memory and try again", stage, killed)
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
