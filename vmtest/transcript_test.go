// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// transcript is what docs/debugging.md shows of one terminal or of two.
type transcript struct {
	name  string
	steps []step
}

// step is a command of the shell or of gdb, and lines that follow it on the terminal.
type step struct {
	command string
	gdb     bool
	shows   []string
}

// transcripts returns those below the heading of the page.
func transcripts(t *testing.T, page, heading string) []transcript {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("the page has no heading %s", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var all []transcript
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "### "); ok {
			all = append(all, transcript{name: name})
			continue
		}
		code, ok := strings.CutPrefix(line, "    ")
		if !ok || len(all) == 0 {
			continue
		}
		steps := &all[len(all)-1].steps
		command, inShell := strings.CutPrefix(code, "$ ")
		typed, inGDB := strings.CutPrefix(code, "(gdb) ")
		switch {
		case inShell:
			*steps = append(*steps, step{command: command})
		case inGDB:
			*steps = append(*steps, step{command: typed, gdb: true})
		case len(*steps) == 0:
			t.Fatalf("%s: %q stands before the first command", all[len(all)-1].name, code)
		case code != "...":
			last := &(*steps)[len(*steps)-1]
			last.shows = append(last.shows, code)
		}
	}
	return all
}

// anyNumber stands for numbers that differ from run to run.
var anyNumber = regexp.MustCompile(`0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+`)

// shown returns the pattern of a line of a transcript: "..." may be anything, and a number any
// number.
func shown(line string) *regexp.Regexp {
	parts := strings.Split(strings.TrimSpace(line), "...")
	for i, p := range parts {
		var b strings.Builder
		at := 0
		for _, m := range anyNumber.FindAllStringIndex(p, -1) {
			b.WriteString(regexp.QuoteMeta(p[at:m[0]]) + `[0-9a-fx]+`)
			at = m[1]
		}
		parts[i] = b.String() + regexp.QuoteMeta(p[at:])
	}
	return regexp.MustCompile(strings.Join(parts, ".*"))
}

// hold demands that the lines of the steps are in the output, in their order.
func hold(t *testing.T, output string, steps ...step) {
	t.Helper()
	rest := output
	for _, s := range steps {
		for _, line := range s.shows {
			at := shown(line).FindStringIndex(rest)
			if at == nil {
				t.Fatalf("after %q comes no %q:\n%s", s.command, line, output)
			}
			rest = rest[at[1]:]
		}
	}
}

// said collects what a program prints while it runs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait waits until the pattern is in the text, and returns its groups. ended is closed when nothing
// more will come.
func (s *said) wait(t *testing.T, pattern *regexp.Regexp, ended <-chan struct{}) []string {
	t.Helper()
	for last := false; ; {
		if m := pattern.FindStringSubmatch(s.String()); m != nil {
			return m
		}
		if last {
			t.Fatalf("no %s in:\n%s", pattern, s)
		}
		select {
		case <-ended:
			last = true
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// gdb starts vmtest, which prints into s, and waits until its guest waits for gdb. It returns the
// command to type. ended is closed when vmtest has ended; what it has printed says how it went.
func (s *said) gdb(t *testing.T, vmtest *exec.Cmd) (line string, ended <-chan struct{}) {
	t.Helper()
	vmtest.Stdout, vmtest.Stderr = s, s
	if err := vmtest.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = vmtest.Wait()
		close(done)
	}()
	return s.wait(t, waits, done)[1], done
}

// play types a transcript. The folder results/ is another one.
func (g guests) play(t *testing.T, script transcript) {
	t.Helper()
	for i := 0; i < len(script.steps); i++ {
		s := script.steps[i]
		line := strings.ReplaceAll(s.command, "results/", g.results+"/")
		if strings.HasPrefix(line, "bin/vmtest run ") {
			line += " -results " + g.results
		}
		shell := exec.CommandContext(t.Context(), "sh", "-c", line)
		shell.Dir, shell.Env = g.root, g.env
		var out said
		t.Logf("$ %s", s.command)
		if !strings.Contains(line, " -gdb") {
			shell.Stdout, shell.Stderr = &out, &out
			if err := shell.Run(); err != nil && shell.ProcessState == nil {
				t.Fatal(err)
			}
			hold(t, out.String(), s)
			continue
		}
		if i+1 == len(script.steps) || !strings.HasPrefix(script.steps[i+1].command, "gdb -x ") {
			t.Fatalf("no gdb follows %q", s.command)
		}
		n := i + 2
		for n < len(script.steps) && script.steps[n].gdb {
			n++
		}
		typed, ended := out.gdb(t, shell)
		g.debugger(t, typed, script.steps[i+1:n])
		<-ended
		hold(t, out.String(), s)
		i = n - 1
	}
}

// debugger types steps into the gdb that the first of them starts. At its end it ends the guest.
func (g guests) debugger(t *testing.T, line string, steps []step) {
	t.Helper()
	gdb := exec.CommandContext(t.Context(), "sh", "-c", line)
	gdb.Dir, gdb.Env = g.root, g.env
	var in bytes.Buffer
	for _, s := range steps[1:] {
		fmt.Fprintln(&in, s.command)
	}
	fmt.Fprintln(&in, "kill")
	gdb.Stdin = &in
	text, err := gdb.CombinedOutput()
	if err != nil {
		t.Errorf("gdb: %v", err)
	}
	hold(t, string(text), steps...)
}

// docs/debugging.md walks from a red line to its cause, in at most five commands each.
func TestDebugTranscripts(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "debugging.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := transcripts(t, string(page), "## Three faults")
	if len(all) != 3 {
		t.Fatalf("the page has %d transcripts, want 3", len(all))
	}
	for _, script := range all {
		if n := len(script.steps); n == 0 || n > 5 {
			t.Errorf("%s: %d commands, want 1 to 5", script.name, n)
		}
	}
	g := newGuests(t)
	for _, script := range all {
		t.Run(script.name, func(t *testing.T) { g.play(t, script) })
	}
}
