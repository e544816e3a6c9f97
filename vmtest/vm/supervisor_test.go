// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"context"
	"errors"
	"testing"

	"timens-vmtest/internal/wire"
)

// What ended a context is the reason of the exit: the user, or a test that failed.
func TestInterruption(t *testing.T) {
	for want, cause := range map[string]error{wire.Interrupted: nil, wire.FailedFast: ErrFailedFast} {
		outer, end := context.WithCancelCause(t.Context())
		ctx, stop := context.WithCancel(outer)
		end(cause)
		if got := interruption(ctx); got != want {
			t.Errorf("cause %v: got %q, want %q", cause, got, want)
		}
		stop()
	}
	ctx, end := context.WithCancelCause(t.Context())
	end(errors.New("a lane failed"))
	if got := interruption(ctx); got != wire.Interrupted {
		t.Errorf("another cause: got %q, want %q", got, wire.Interrupted)
	}
}
