// SPDX-License-Identifier: BSD-3-Clause

package clone_test

import (
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
)

// A Program is written before the child exists. Start makes the child with
// clone3(), and the child runs the steps. Results are read when it has ended.
func ExampleProgram() {
	p, err := clone.NewProgram()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	// These calls add steps. None of them runs yet.
	first := p.ClockGettime(clock.Monotonic, clock.VDSO)
	second := p.ClockGettime(clock.Monotonic, clock.Syscall)
	ostype := p.ReadFile("/proc/sys/kernel/ostype")
	missing := p.ReadFile("/proc/no-such-file")
	write := p.WriteFile("/dev/null", "text")
	p.Exit(7)

	// A clone3() with these flags is a fork(). A flag such as unix.CLONE_NEWTIME
	// makes a namespace for the child, and needs CAP_SYS_ADMIN.
	args := clone.Args{Flags: 0, ExitSignal: uint64(unix.SIGCHLD)}
	child, err := clone.Start(&args, clone.SizeVer0, p)
	if err != nil {
		log.Fatal(err)
	}
	status, err := child.Wait(10 * time.Second)
	if err != nil {
		log.Fatal(err)
	}

	before, err1 := first.Time()
	after, err2 := second.Time()
	text, err3 := ostype.Text()
	_, err4 := missing.Text()
	fmt.Println("exit status:", status.ExitStatus())
	fmt.Println("clocks in order:", before <= after, err1, err2)
	fmt.Printf("file: %q %v\n", text, err3)
	fmt.Println("missing file:", err4)
	fmt.Println("write:", write.Err())
	// Output:
	// exit status: 7
	// clocks in order: true <nil> <nil>
	// file: "Linux\n" <nil>
	// missing file: no such file or directory
	// write: <nil>
}

// A child can wait at a Pause. Meanwhile the test can look at it from outside.
func ExampleProgram_Pause() {
	p, err := clone.NewProgram()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	self := p.Syscall(unix.SYS_GETPID)
	if err := p.Pause(); err != nil {
		log.Fatal(err)
	}
	later := p.Syscall(unix.SYS_GETPPID)

	args := clone.Args{ExitSignal: uint64(unix.SIGCHLD)}
	child, err := clone.Start(&args, clone.SizeVer0, p)
	if err != nil {
		log.Fatal(err)
	}
	if err := child.Ready(10 * time.Second); err != nil {
		log.Fatal(err)
	}
	pid, err := self.Value()
	fmt.Println("PID as seen by the child and by the test agree:", pid == child.PID, err)
	fmt.Println("step after the pause:", later.Err())

	if err := child.Resume(); err != nil {
		log.Fatal(err)
	}
	status, err := child.Wait(10 * time.Second)
	fmt.Println("exit status:", status.ExitStatus(), err)
	fmt.Println("step after the pause:", later.Err())
	// Output:
	// PID as seen by the child and by the test agree: true <nil>
	// step after the pause: the child did not reach this step
	// exit status: 0 <nil>
	// step after the pause: <nil>
}
