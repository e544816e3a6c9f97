// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"

	"timens-vmtest/internal/blame"
)

// Cmd is a command that may be confined. It is used like an exec.Cmd. If the command
// breaks one of its bounds, all its processes are killed and the error is a
// blame.BoundError.
type Cmd struct {
	*exec.Cmd
	limits   Limits
	writable []string
	confined bool

	end  chan struct{} // closed when the command has ended
	gone chan struct{} // closed when the guard has ended

	mu      sync.Mutex
	broken  error
	printed int64
	tail    []byte // the end of what it printed
}

// tailSize is room for the last lines of a command, in which it says why it failed.
const tailSize = 64 << 10

// Start starts the command and begins to guard its bounds.
func (c *Cmd) Start() error {
	if !c.confined {
		return c.Cmd.Start()
	}
	same := c.Stdout == c.Stderr
	if c.Stdout != nil {
		c.Stdout = &counted{c, c.Stdout}
	}
	if same {
		c.Stderr = c.Stdout // exec.Cmd gives both the same pipe, so that the lines stay in order
	} else if c.Stderr != nil {
		c.Stderr = &counted{c, c.Stderr}
	}
	g, err := newGuard(c)
	if err != nil {
		return err
	}
	if err := c.Cmd.Start(); err != nil {
		return err
	}
	c.end, c.gone = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.gone)
		g.watch()
	}()
	return nil
}

// Wait waits until the command has ended.
func (c *Cmd) Wait() error {
	err := c.Cmd.Wait()
	if !c.confined {
		return err
	}
	close(c.end)
	<-c.gone
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil && err != nil {
		c.broken = c.refusedByKernel()
	}
	if c.broken != nil {
		return c.broken
	}
	return err
}

// Run starts the command and waits until it has ended.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns its standard output.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// kill ends the command and all its processes: when the first process of a PID
// namespace is killed, the kernel kills the others. Only the first reason is kept.
func (c *Cmd) kill(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return
	}
	c.broken = why
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.broken = errors.Join(why, err)
	}
}

// tooMuch is the error of a broken bound.
func (c *Cmd) tooMuch(did, raise string) error {
	return &blame.BoundError{Command: filepath.Base(c.tool()), Did: did, Raise: raise}
}

func (c *Cmd) tooManyProcesses() error {
	n := c.limits.Processes
	return c.tooMuch(fmt.Sprintf("had %d processes and threads at once", n), fmt.Sprintf("processes=%d", 2*n))
}

// tool is the name of the command, without the sandbox around it.
func (c *Cmd) tool() string {
	if c.Args[0] == Name {
		return c.Args[2]
	}
	return c.Args[0]
}

// The kernel holds some bounds by itself: fork fails, or a write does. The command says
// so in its last lines.
var (
	noForkRE   = regexp.MustCompile(`(?m)(fork|execute|clone|posix_spawn|thread).*Resource temporarily unavailable|[Cc]annot fork$|^make(\[\d+\])?: \S+: Resource temporarily unavailable$`)
	tooLargeRE = regexp.MustCompile(`(?m)File too large|File size limit exceeded|Error 153$`)
)

// refusedByKernel returns the error of a bound that the kernel held, and nil if it held
// none.
func (c *Cmd) refusedByKernel() error {
	if l := c.limits; l.Processes > 0 && noForkRE.Match(c.tail) {
		return c.tooManyProcesses()
	} else if l.Disk > 0 && tooLargeRE.Match(c.tail) {
		return c.tooMuch("wrote a file of more than "+formatBytes(fileSize(l)), "disk="+formatBytes(2*l.Disk))
	}
	return nil
}

// counted counts what a command prints, and kills the command when it is too much.
type counted struct {
	c  *Cmd
	to io.Writer
}

// Write passes p on, as long as the bound is not broken. Afterwards it takes everything
// and passes nothing on, until the command is dead.
func (w *counted) Write(p []byte) (int, error) {
	c := w.c
	c.mu.Lock()
	c.printed += int64(len(p))
	over := c.limits.Output > 0 && c.printed > c.limits.Output
	c.tail = append(c.tail, p...)
	if more := len(c.tail) - tailSize; more > 0 {
		c.tail = append(c.tail[:0], c.tail[more:]...)
	}
	c.mu.Unlock()
	if over {
		c.kill(c.tooMuch("printed more than "+formatBytes(c.limits.Output), "output="+formatBytes(2*c.limits.Output)))
		return len(p), nil
	}
	return w.to.Write(p)
}
