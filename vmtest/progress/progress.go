// SPDX-License-Identifier: BSD-3-Clause

// Package progress shows on standard error what vmtest is doing. Verdicts go to standard
// output.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress implements host.Reporter: it draws a live line on a terminal, and prints plain
// lines elsewhere. New makes one.
type Progress struct {
	mu       sync.Mutex // several stages may report at once
	w        io.Writer
	terminal bool
	bar      *progressbar.ProgressBar
	barTotal int
	barOf    string    // what the bar counts
	barSince time.Time // when it began to count that
	said     time.Time // when the last plain line was printed
	noted    sync.Map  // what has been said once
}

// New returns a Progress that writes to standard error.
func New() *Progress {
	return &Progress{w: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// turn is how long the live line shows what one of several items counts, before it may show another one.
const turn = 3 * time.Second

// plainEvery is the time between two lines of progress if standard error is not a terminal.
const plainEvery = 15 * time.Second

// Step implements host.Reporter.
func (p *Progress) Step(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	fmt.Fprintf(p.w, "vmtest: "+format+"\n", args...)
	p.said = time.Now()
}

// Note implements host.Reporter.
func (p *Progress) Note(text string) {
	if _, again := p.noted.LoadOrStore(text, true); !again {
		p.Step("%s", text)
	}
}

// Count implements host.Reporter.
func (p *Progress) Count(what string, done, total int, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := ""
	if total > 0 {
		of = fmt.Sprintf(" of %d", total)
	}
	if !p.terminal {
		if time.Since(p.said) >= plainEvery {
			fmt.Fprintf(p.w, "vmtest:   %d%s %s, %s\n", done, of, what, name)
			p.said = time.Now()
		}
		return
	}
	if p.bar != nil && p.barOf != what && time.Since(p.barSince) < turn {
		return
	}
	if p.bar == nil || p.barOf != what || p.barTotal != total {
		p.drop()
		p.barTotal, p.barOf, p.barSince = total, what, time.Now()
		limit := total
		if limit == 0 {
			limit = -1
		}
		p.bar = progressbar.NewOptions(limit,
			progressbar.OptionSetWriter(p.w), progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionSetPredictTime(true))
	}
	p.bar.Describe(fmt.Sprintf("%-48.48s", what+" "+name))
	// A progress line that cannot be drawn is no reason to stop a build.
	_ = p.bar.Set(done)
}

// Clear removes the live line, if there is one.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

func (p *Progress) drop() {
	if p.bar != nil {
		_ = p.bar.Clear() // a line that cannot be removed does no harm
		p.bar = nil
	}
}
