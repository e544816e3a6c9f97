// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// RemoveAll removes a folder that a confined command wrote to, with all that is in it. It
// also removes what os.RemoveAll does not: folders that the command has made unreadable,
// and folders that nest deeper than a process can have files open.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	for _, args := range [][]string{{"chmod", "-R", "u+rwx", "--", dir}, {"rm", "-rf", "--", dir}} {
		if out, rerr := exec.Command(args[0], args[1:]...).CombinedOutput(); rerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w: %s", args[0], rerr, strings.TrimSpace(string(out))))
		} else if args[0] == "rm" {
			err = nil
		}
	}
	return err
}
