// Package osthread runs code on a thread of its own. Namespaces, capabilities
// and signal masks belong to a thread, and the Go scheduler hands threads
// about: what changes one of them has to throw the thread away afterwards.
package osthread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run calls fn on a thread that no other goroutine uses before fn returns or
// after it. It is never the main thread, whose namespaces /proc/self shows. If
// fn does not return because of t.Fatal, neither does Run.
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
			// A goroutine that ends while locked takes its thread with it.
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
