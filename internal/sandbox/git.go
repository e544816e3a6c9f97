// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"os/exec"
	"strings"
)

// gitEnv keeps the user's own settings from changing what git makes for us,
// and names a committer where there may be none.
var gitEnv = []string{
	"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	// A commit is what everybody else gets by its name.
	"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null",
	"GIT_COMMITTER_NAME=timens-vmtest", "GIT_COMMITTER_EMAIL=timens-vmtest@localhost",
}

func Git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	// A tree that the user names may be another user's.
	return Command(ctx, dir, gitEnv, "git", append([]string{"-c", "safe.directory=" + dir}, args...)...)
}

// GitLine runs git and returns what it printed, without the last newline.
func GitLine(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := Run(Git(ctx, dir, args...))
	return strings.TrimSuffix(string(out), "\n"), err
}
