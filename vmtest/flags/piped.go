// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
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
	type mailbox struct {
		text []byte
		err  error
	}
	read := make(chan mailbox, 1)
	go func() { // a read of a terminal or an idle pipe cannot be ended, and nobody waits for it
		text, err := io.ReadAll(in)
		read <- mailbox{text, err}
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case m := <-read:
		if m.err == nil && len(m.text) == 0 {
			m.err = blame.Usagef("-series -: there is nothing on standard input; type \"b4 am -o- MESSAGE-ID | vmtest run -series -\"")
		}
		if m.err == nil {
			m.err = os.WriteFile(path, m.text, 0o644)
		}
		if m.err != nil {
			return fmt.Errorf("read the series: %w", m.err)
		}
		piped[at] = path
		return nil
	}
}

// Close deletes the mailbox that came by standard input.
func (c *Command) Close() error { return os.RemoveAll(c.piped) }
