// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"os/exec"
	"strings"
)

// gitEnv is the environment in which we run git. The user's own settings do not
// change what git makes, and a committer is named even if the user has none.
var gitEnv = []string{
	"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	// A commit is what everybody else gets by its name.
	"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null",
	"GIT_COMMITTER_NAME=timens-vmtest", "GIT_COMMITTER_EMAIL=timens-vmtest@localhost",
}

// Git returns a git command that runs in dir, outside of the sandbox. It ignores the
// configuration of the user and of the system. The caller runs it.
func Git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	// The user may name a tree that belongs to another user: git refuses such a
	// tree unless it is called safe.
	return Command(ctx, dir, gitEnv, "git", append([]string{"-c", "safe.directory=" + dir}, args...)...)
}

// GitLine runs git in dir, as Git does, and returns what it printed to standard
// output, without the last newline. The error has the end of what git printed to
// standard error.
func GitLine(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := Run(Git(ctx, dir, args...))
	return strings.TrimSuffix(string(out), "\n"), err
}
