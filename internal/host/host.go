// SPDX-License-Identifier: BSD-3-Clause

// Package host holds what every stage stands on: the cache, the sandbox and the
// reporter of progress.
package host

import (
	"context"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
)

// Reporter is told what happens while it happens.
type Reporter interface {
	// Step says what begins now. Steps that cost nothing are not reported.
	Step(format string, args ...any)
	// Count says that done of total things are done, the last of them name. what
	// they are is a plural, such as "objects". Total is 0 where nobody knows.
	Count(what string, done, total int, name string)
}

// Host is what every stage stands on.
type Host struct {
	Cache   cache.Cache
	Sandbox sandbox.Box // how commands run that a series has a say in; zero: confined
	Report  Reporter
	Results string // folder that takes a folder a run; "" where none is made
}

// Lock takes a lock of the cache, and reports a wait for it.
func (h Host) Lock(ctx context.Context, name, what string) (unlock func(), err error) {
	return h.Cache.Lock(ctx, name, what, h.Report.Step)
}

// Answer returns what ask said when it was last asked by this key, or asks. The key
// stands for everything that the answer depends on. An error is not kept.
func Answer[T any](ctx context.Context, h Host, key string, ask func() (T, error)) (T, error) {
	return cache.Recall(ctx, h.Cache, key, h.Report.Step, ask)
}
