// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/blame"
)

// ReadPiped makes a file of the mailbox on standard input, and puts its path in place of
// the "-" in -series or in the names of a verb's series.
func (c *Command) ReadPiped(ctx context.Context, in io.Reader, names []string) (err error) {
	at := slices.Index(c.Series, "-")
	piped := []string(c.Series)
	if at < 0 {
		piped, at = names, slices.Index(names, "-")
	}
	if at < 0 {
		return nil
	}
	if c.piped, err = os.MkdirTemp("", "vmtest-stdin-"); err != nil {
		return err
	}
	path := filepath.Join(c.piped, "stdin.mbox")
	read := make(chan error, 1)
	go func() { // a read of a terminal or an idle pipe cannot be ended
		text, err := io.ReadAll(in)
		if err == nil && len(text) == 0 {
			err = blame.Usagef("-series -: there is nothing on standard input; type \"b4 am -o- MESSAGE-ID | vmtest run -series -\"")
		}
		read <- errors.Join(err, os.WriteFile(path, text, 0o644))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-read:
		piped[at] = path
		if err != nil {
			err = fmt.Errorf("read the series: %w", err)
		}
		return err
	}
}

// Close deletes the mailbox that came by standard input.
func (c *Command) Close() error { return os.RemoveAll(c.piped) }
