// SPDX-License-Identifier: BSD-3-Clause

package main

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

// readPiped makes a file of the mailbox on standard input, and puts its path in place of
// the "-" in -series or in the names of a verb's series.
func (a *app) readPiped(ctx context.Context, in io.Reader, names []string) (err error) {
	at := slices.Index(a.series, "-")
	piped := []string(a.series)
	if at < 0 {
		piped, at = names, slices.Index(names, "-")
	}
	if at < 0 {
		return nil
	}
	if a.piped, err = os.MkdirTemp("", "vmtest-stdin-"); err != nil {
		return err
	}
	path := filepath.Join(a.piped, "stdin.mbox")
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
