// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
)

// "-series -" becomes a mailbox with what came by standard input.
func TestReadPiped(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := &Command{Series: List{"control", "-"}}
	if err := c.ReadPiped(t.Context(), strings.NewReader("From x\n"), nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(c.Series[1]); err != nil || string(text) != "From x\n" || filepath.Base(c.Series[1]) != "stdin.mbox" || c.Series[0] != "control" {
		t.Errorf("%q: %q, %v", c.Series, text, err)
	}
	show, names := &Command{}, []string{"-"}
	if err := show.ReadPiped(t.Context(), strings.NewReader("From x\n"), names); err != nil || filepath.Base(names[0]) != "stdin.mbox" {
		t.Errorf("the series of a verb is %q, %v", names, err)
	}
	empty := &Command{Series: List{"-"}}
	if err := empty.ReadPiped(t.Context(), strings.NewReader(""), nil); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "nothing on standard input") {
		t.Errorf("nothing: %v, want it to be the user's", err)
	}
}

// Ctrl-C ends the wait for a mailbox that never comes.
func TestReadPipedEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	in, out := io.Pipe()
	defer out.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c := &Command{Series: List{"-"}}
	if err := c.ReadPiped(ctx, in, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to be cancelled", err)
	}
}
