// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"
	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// readyEnv is the environment variable with a command line that the first prompt shows, as if
// it had been typed. It is wire.CommandEnv, but the shell imports nothing of ours.
const readyEnv = "VMTEST_COMMAND"

// prompt reads statements from the terminal.
type prompt struct {
	runner   *interp.Runner // names are completed in its folder
	line     *liner.State
	programs liner.ModeApplier // mode of the terminal for programs
	editing  liner.ModeApplier // mode of the terminal for the editor
	ready    string            // what stands behind the first prompt, to be run or edited
}

func newPrompt(runner *interp.Runner) (*prompt, error) {
	p := &prompt{runner: runner, ready: os.Getenv(readyEnv)}
	var err error
	if p.programs, err = liner.TerminalMode(); err != nil {
		return nil, err
	}
	runner.Reset() // sets its folder
	p.line = liner.NewLiner()
	p.line.SetCtrlCAborts(true)
	p.line.SetTabCompletionStyle(liner.TabPrints)
	p.line.SetWordCompleter(p.complete)
	if err := noSignals(); err != nil {
		return nil, err
	}
	p.editing, err = liner.TerminalMode()
	return p, errors.Join(err, p.programs.ApplyMode())
}

// noSignals makes Ctrl-C a key like any other. Liner does so only after it has
// printed the prompt. A Ctrl-C before would drop what was typed before it.
func noSignals() error {
	fd := int(os.Stdin.Fd())
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ISIG
	return unix.IoctlSetTermios(fd, unix.TCSETS, mode)
}

func (p *prompt) close() {
	_ = p.line.Close() // the terminal ends with us
}

// read returns the statements of the next line, or of several lines if a
// statement does not end before. Ctrl-C drops what was typed.
func (p *prompt) read() (stmts []*syntax.Stmt, err error) {
	if err := p.editing.ApplyMode(); err != nil {
		return nil, err
	}
	// Programs have the terminal in another mode.
	defer func() { err = errors.Join(err, p.programs.ApplyMode()) }()
	text := ""
	for {
		mark := p.runner.Dir + " # "
		if text != "" {
			mark = "> "
		}
		line, err := p.line.PromptWithSuggestion(mark, p.ready, -1)
		p.ready = ""
		if errors.Is(err, liner.ErrPromptAborted) {
			text = ""
			continue
		}
		if errors.Is(err, io.EOF) {
			fmt.Println()
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(line) != "" {
			p.line.AppendHistory(line)
		}
		text += line + "\n"
		file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
		switch {
		case err == nil:
			return file.Stmts, nil
		case syntax.IsIncomplete(err):
			continue
		}
		fmt.Fprintln(os.Stderr, "sh:", err)
		text = ""
	}
}

// complete completes the word at pos: a command at the beginning of a line, a
// file elsewhere.
func (p *prompt) complete(line string, pos int) (head string, completions []string, tail string) {
	before := []rune(line)[:pos]
	start := len(before)
	for start > 0 && !strings.ContainsRune(" \t;|&<>()", before[start-1]) {
		start--
	}
	head, word := string(before[:start]), string(before[start:])
	tail = string([]rune(line)[pos:])
	if strings.TrimSpace(head) == "" && !strings.Contains(word, "/") {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			completions = append(completions, p.files(dir+"/", word, "")...)
		}
		return head, completions, tail
	}
	dir, name := filepath.Split(word)
	from := dir
	if !filepath.IsAbs(dir) {
		from = filepath.Join(p.runner.Dir, dir)
	}
	return head, p.files(from, name, dir), tail
}

// files returns the names in a folder that begin with prefix, with shown before
// each. A folder that cannot be read has none.
func (p *prompt) files(dir, prefix, shown string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		names = append(names, shown+name)
	}
	return names
}
