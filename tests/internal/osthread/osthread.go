// SPDX-License-Identifier: BSD-3-Clause

// Package osthread runs code on a thread of its own. Namespaces, capabilities
// and signal masks belong to a thread, and the Go scheduler moves goroutines
// between threads. Code that changes one of these must not give its thread
// back.
package osthread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run calls fn on a thread that no other goroutine uses, before or after. It is
// never the main thread, whose namespaces /proc/self shows. If fn ends its
// goroutine by t.Fatal, Run ends the caller's goroutine, too.
func Run(fn func() error) error {
	var err error
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			err = Run(fn)
		} else {
			// A goroutine that ends while locked to its thread ends
			// the thread.
			err = fn()
		}
		returned = true
	}()
	<-done
	if !returned {
		runtime.Goexit()
	}
	return err
}
