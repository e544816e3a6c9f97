// SPDX-License-Identifier: BSD-3-Clause

// Package host has what every stage needs from this machine: the cache, the sandbox and the
// reporter of progress.
package host

import (
	"cmp"
	"context"
	"fmt"
	"runtime"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/store"
)

// Reporter shows the progress of a run to the user.
type Reporter interface {
	// Step says which step begins now. Its arguments are those of fmt.Sprintf. A step
	// that takes no time is not reported.
	Step(format string, args ...any)
	// Note says what holds for several steps, such as what a tree lacks. It is said once, also
	// if each of the steps notes it.
	Note(text string)
	// Count says that done things of total are done. name is the last of them. what
	// is a plural that says what they are, such as "objects". total is 0 if it is
	// not known.
	Count(what string, done, total int, name string)
}

// Host is what every stage of a run needs from this machine. Cache and Report have to
// be set.
type Host struct {
	Cache   cache.Cache
	Sandbox sandbox.Box // whether commands that run code of a series are confined; zero: they are
	Report  Reporter
	Results string       // folder in which each run makes a folder; "" if no run does
	Store   *store.Store // where other machines put what they have built; nil: nowhere
	Cores   int          // how many cores commands may use; 0: as many as Go programs use
}

// UsableCores returns how many cores commands may use. Go programs know the limits of a container
// and $GOMAXPROCS. A machine may have many more, and a compiler for each of them would not find
// memory.
func (h Host) UsableCores() int { return cmp.Or(h.Cores, runtime.GOMAXPROCS(0)) }

// GoCores is the environment variable that tells UsableCores to a vmtest in a command.
func (h Host) GoCores() string { return fmt.Sprintf("GOMAXPROCS=%d", h.UsableCores()) }

// Lock takes the lock of a name in the cache, and waits until no other process holds
// it. A wait of more than a second is reported; what tells the user what the lock
// guards. The caller calls unlock. If ctx ends first, Lock returns its error.
func (h Host) Lock(ctx context.Context, name, what string) (unlock func(), err error) {
	return h.Cache.Lock(ctx, name, what, h.Report.Step)
}

// Answer returns the answer that the host's cache has for a key. If the cache has none,
// it calls ask and keeps the answer. The key must cover everything that the answer
// depends on. An error of ask is returned and not kept.
func Answer[T any](ctx context.Context, h Host, key string, ask func() (T, error)) (T, error) {
	return cache.Recall(ctx, h.Cache, key, h.Report.Step, ask)
}
