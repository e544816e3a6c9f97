// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"os"
	"strings"
	"time"

	"timens-vmtest/internal/wire"
)

// loadDebug returns where the guest is to stop its plan; nil: nowhere.
func loadDebug() (*wire.Debug, error) {
	d := new(wire.Debug)
	if there, err := loadJSON(wire.DebugPath, d); !there {
		return nil, err
	}
	return d, protectShare()
}

// debug serves a shell before a test, or where the test fails. The shell has the folder and
// the environment of the test, and what the test has mounted.
func (r runner) debug(t wire.Test, d wire.Debug) error {
	dir, err := mountTmp(t)
	if err != nil {
		return err
	}
	cmd := r.command(t, dir)
	if !d.AtFail {
		if err := r.ring.start(); err != nil {
			return err
		}
		line := "cd " + dir + " && " + strings.Join(quoted(cmd.Args), " ")
		line = strings.Replace(line, "-test.v=test2json", "-test.v", 1) // for a person
		return serve(r.out, wire.Frame{Text: "before " + t.String()}, dir, append(cmd.Env, wire.CommandEnv+"="+line))
	}
	output, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := announce("start " + t.String()); err != nil {
		return err
	}
	if err := r.out.write(wire.Record{Type: wire.TypeStart, TestID: &t.TestID}); err != nil {
		return err
	}
	go copyOutput(r.out, t.TestID, output) // as long as the guest lives
	var mounts *os.File
	start := func() error {
		if err := r.ring.start(); err != nil {
			return err
		}
		if err := startUnprotected(cmd); err != nil {
			return err
		}
		var err error
		mounts, err = openMounts(cmd.Process.Pid)
		return err
	}
	where, err := stopAtFail(cmd, start, uintptr(d.Fail), time.Duration(t.TimeoutS*float64(time.Second))+r.patience)
	if err != nil {
		return err
	}
	if err := errors.Join(w.Close(), enterMounts(mounts)); err != nil {
		return err
	}
	return serve(r.out, wire.Frame{Text: t.String() + " " + where, Ended: where == endedWell}, dir, cmd.Env)
}

// quoted returns the words of a command as one may type them. Only regular expressions of our
// own tests need quotes.
func quoted(words []string) []string {
	var all []string
	for _, w := range words {
		if strings.ContainsAny(w, "^$") {
			w = "'" + w + "'"
		}
		all = append(all, w)
	}
	return all
}
