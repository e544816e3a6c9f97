// SPDX-License-Identifier: BSD-3-Clause

package main

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
	a := &app{flags: flags{series: listFlag{"control", "-"}}}
	if err := a.readPiped(t.Context(), strings.NewReader("From x\n")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(a.series[1]); err != nil || string(text) != "From x\n" || filepath.Base(a.series[1]) != "stdin.mbox" || a.series[0] != "control" {
		t.Errorf("%q: %q, %v", a.series, text, err)
	}
	empty := &app{flags: flags{series: listFlag{"-"}}}
	if err := empty.readPiped(t.Context(), strings.NewReader("")); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "nothing on standard input") {
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
	a := &app{flags: flags{series: listFlag{"-"}}}
	if err := a.readPiped(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to be cancelled", err)
	}
}
