// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// strayGrace is how long a process may still run when its test has ended by
// itself. A process that is about to end is not left behind.
const strayGrace = time.Second

// strays are the processes that a test has left behind.
type strays struct {
	count int
	names []string // of some of them, each once
}

// endStrays waits until every process has ended that a test has started, so
// that none disturbs the next test. After a time of grace it kills all of them
// by kill, and returns which they were.
func endStrays(grace time.Duration, kill func() error) (strays, error) {
	var left strays
	killed := make(chan error, 1)
	late := time.AfterFunc(grace, func() {
		var err error
		left, err = descendants()
		killed <- errors.Join(err, kill())
	})
	for {
		var ws unix.WaitStatus
		switch _, err := unix.Wait4(-1, &ws, 0, nil); err {
		case nil, unix.EINTR:
		case unix.ECHILD:
			if late.Stop() {
				return strays{}, nil
			}
			err := <-killed
			return left, err
		default:
			return strays{}, fmt.Errorf("reap what the test left behind: %w", err)
		}
	}
}

// killAll kills every process except init and ourselves. None can escape by
// fork(), because the kernel refuses that to a process with a fatal signal.
func killAll() error {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill what the test left behind: %w", err)
	}
	return nil
}

// process is what /proc/PID/stat says of a process.
type process struct {
	id, parent int
	name       string
	ended      bool
}

// descendants returns the processes that have not ended and descend from us.
// Those whose parent has ended are our children.
func descendants() (strays, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return strays{}, err
	}
	all := make(map[int]process)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return strays{}, err
		}
		p, err := parseStat(string(text))
		if err != nil {
			return strays{}, fmt.Errorf("%s: %w", file, err)
		}
		all[p.id] = p
	}
	var left strays
	us := os.Getpid()
	for _, p := range all {
		up := p.parent
		for range len(all) { // no more: a parent that ends between two reads could make a loop
			if up == 0 || up == us {
				break
			}
			up = all[up].parent
		}
		if p.ended || up != us {
			continue
		}
		left.count++
		if !slices.Contains(left.names, p.name) {
			left.names = append(left.names, p.name)
		}
	}
	slices.Sort(left.names)
	left.names = left.names[:min(len(left.names), wire.LeftNames)]
	return left, nil
}

// parseStat reads the file /proc/PID/stat. A name may itself have parentheses
// and spaces.
func parseStat(text string) (process, error) {
	open, end := strings.Index(text, " ("), strings.LastIndex(text, ") ")
	if open < 0 || end < open {
		return process{}, fmt.Errorf("%q names no process", text)
	}
	words := strings.Fields(text[end+2:])
	if len(words) < 2 {
		return process{}, fmt.Errorf("%q has no parent", text)
	}
	p := process{name: text[open+2 : end], ended: words[0] == "Z" || words[0] == "X"}
	var err, perr error
	p.id, err = strconv.Atoi(text[:open])
	p.parent, perr = strconv.Atoi(words[1])
	return p, errors.Join(err, perr)
}
