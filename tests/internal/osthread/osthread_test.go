// SPDX-License-Identifier: BSD-3-Clause

package osthread

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRun(t *testing.T) {
	want := errors.New("from inside")
	for range 20 {
		tid := 0
		if err := Run(func() error { tid = unix.Gettid(); return want }); err != want {
			t.Errorf("Run: %v, want %v", err, want)
		}
		if tid == unix.Getpid() {
			t.Error("ran on the main thread")
		}
	}
}

func TestRunEndsCallerAsWell(t *testing.T) {
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = Run(func() error { runtime.Goexit(); return nil }) // does not return
		returned = true
	}()
	<-done
	if returned {
		t.Error("Run returned although its function did not")
	}
}
