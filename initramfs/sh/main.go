// SPDX-License-Identifier: BSD-3-Clause

// Sh is the guest's shell: mvdan.cc/sh behind a prompt. u-root's gosh is the
// same library behind another prompt. In gosh, Ctrl-C does not end a loop, and
// two lines that are pasted do not run.
//
//	sh               a prompt, or the script on standard input if that is no terminal
//	sh -c COMMAND    run COMMAND
//	sh FILE          run the script in FILE
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	command := flag.String("c", "", "run `COMMAND`")
	flag.Parse()
	os.Exit(run(*command, flag.Args()))
}

// run returns the exit code.
func run(command string, args []string) int {
	var params []string
	if len(args) > 1 {
		params = append([]string{"--"}, args[1:]...) // of the script, or of the command after its name
	}
	runner, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr), interp.Params(params...),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return runProgram }))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sh:", err)
		return 2
	}
	_, noTerminal := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	switch {
	case command != "":
		return script(runner, strings.NewReader(command), "")
	case len(args) > 0:
		f, err := os.Open(args[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, "sh:", err)
			return 127
		}
		defer f.Close() // opened for reading only
		return script(runner, f, args[0])
	case noTerminal != nil:
		return script(runner, os.Stdin, "")
	}
	code, err := interactive(runner)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sh:", err)
		return 2
	}
	return code
}

// never is how long a program may go on after Ctrl-C before it is killed. Other
// shells do not kill it either.
const never = 24 * time.Hour

// runProgram runs a program. If Ctrl-C ended it, the whole line stops: the
// program may end before we get the same signal.
func runProgram(ctx context.Context, args []string) error {
	err := interp.DefaultExecHandler(never)(ctx, args)
	if code, ok := interp.IsExitStatus(err); ok && code == 128+uint8(unix.SIGINT) {
		return context.Canceled
	}
	return err
}

func script(runner *interp.Runner, text io.Reader, name string) int {
	prog, err := syntax.NewParser().Parse(text, name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sh:", err)
		return 2
	}
	return status(runner.Run(context.Background(), prog))
}

// status turns an error of the interpreter into an exit code. It prints an error
// that is more than an exit code.
func status(err error) int {
	if code, ok := interp.IsExitStatus(err); ok {
		return int(code)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled): // by Ctrl-C
		return 128 + int(unix.SIGINT)
	}
	fmt.Fprintln(os.Stderr, "sh:", err)
	return 1
}

// interactive reads lines and runs them, until "exit" or the end of the input.
func interactive(runner *interp.Runner) (code int, err error) {
	p, err := newPrompt(runner)
	if err != nil {
		return 0, err
	}
	defer p.close()
	// The terminal sends these signals to the program in the foreground and to
	// us. We catch and do not ignore them, because programs inherit ignored
	// signals.
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, unix.SIGINT, unix.SIGQUIT)
	for {
		stmts, err := p.read()
		if errors.Is(err, io.EOF) {
			return code, nil
		}
		if err != nil {
			return 0, err
		}
		if len(stmts) == 0 {
			continue
		}
		var stopped bool
		code, stopped = runLine(runner, stmts, keys)
		if runner.Exited() {
			return code, nil
		}
		if stopped {
			fmt.Println() // after the ^C that the terminal shows
			code = script(runner, strings.NewReader(interrupted), "")
		}
	}
}

// interrupted sets $? to what a command has that Ctrl-C ended.
const interrupted = "(exit 130)"

// runLine runs the statements of a line until they end or Ctrl-C stops them. A
// program decides itself what it does on Ctrl-C, but no other program of the
// line starts.
func runLine(runner *interp.Runner, stmts []*syntax.Stmt, keys <-chan os.Signal) (code int, stopped bool) {
	select {
	case <-keys: // typed during the line before
	default:
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-keys:
			stop()
		case <-ended:
		}
	}()
	for _, stmt := range stmts {
		err := runner.Run(ctx, stmt)
		code, stopped = status(err), ctx.Err() != nil || errors.Is(err, context.Canceled)
		if runner.Exited() || stopped {
			break
		}
	}
	return code, stopped
}
