// SPDX-License-Identifier: BSD-3-Clause

// Package nightly runs the nightly job: it plans the cells of a night, runs them, adds what
// came of them to the history, has package culprit look for what broke the tests that newly
// fail, and says what changed. It decides nothing itself: a Runner has every run judged.
package nightly

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"timens-vmtest/internal/reasons"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/worker"
)

// Cell is one thing that a night runs: the tests on one kernel in one lane, or a command.
type Cell struct {
	Name string // such as "6.12/control/default/real"; it can be the path of a folder

	Base, Series, Config, Lane string // of the tests

	Asleep  bool     // the cell is not to run tonight, and is not gone either
	Command []string // nil: the cell runs tests
	Turn    int      // the command runs in the nights whose day modulo Of is Turn
	Of      int      // 0: it runs every night
	Changed bool     // the command runs only if Patches differ from those of its last verdict
	Patches []history.Digest

	Keys  map[string]string // see cells.Line
	Needs cells.Needs
}

// Matrix returns the cells for every base, series, configuration and lane.
func Matrix(bases, series, configs, lanes []string) []Cell {
	var all []Cell
	for _, b := range bases {
		for _, s := range series {
			for _, c := range configs {
				for _, l := range lanes {
					all = append(all, Cell{Name: strings.Join([]string{b, s, c, l}, "/"), Base: b, Series: s, Config: c, Lane: l})
				}
			}
		}
	}
	return all
}

// Runner runs cells. An error means that the host is to blame, so that nothing is known.
type Runner interface {
	// Run runs a cell on a part of the machine, with what the attempt puts in the place of
	// tonight's inputs. It leaves the evidence in the empty folder dir, and returns what became
	// of the cell. The name, the folder and the costs are the caller's to set.
	Run(ctx context.Context, c Cell, a culprit.Attempt, share worker.Share, dir string) (history.Cell, error)

	// Judge returns what became of a cell that Run has run in the folder dir, on this machine
	// or on another, from the evidence alone. The inputs are the caller's to set, too.
	Judge(dir string) (history.Cell, error)
}

// DigestOf returns the digest of a file.
func DigestOf(name string, text []byte) history.Digest {
	sum := sha256.Sum256(text)
	return history.Digest{Name: name, SHA256: hex.EncodeToString(sum[:])}
}

// commands are the file that lists the commands of a night.
var commands = reasons.Kind{Name: "cells", Form: "NAME TURN/OF COMMAND... # what it finds", Mark: " # ", Noun: "the cell %s"}

// ReadCommands reads the list of the cells that run commands. Each line names a cell, its
// turn (such as 3/7: in one of seven nights) and the command, with the reason behind "#".
func ReadCommands(path string) ([]Cell, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	entries, err := commands.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []Cell
	for _, e := range entries {
		words := strings.Fields(e.What)
		if len(words) < 3 {
			return nil, e.Malformed()
		}
		c := Cell{Name: words[0], Command: words[2:]}
		turn, of, ok := strings.Cut(words[1], "/")
		if c.Turn, err = strconv.Atoi(turn); err != nil || !ok {
			return nil, e.Malformed()
		}
		if c.Of, err = strconv.Atoi(of); err != nil || c.Turn < 1 || c.Turn > c.Of {
			return nil, e.Errorf("%s is no turn; 3/7 is the third of seven nights", words[1])
		}
		if slices.ContainsFunc(all, func(other Cell) bool { return other.Name == c.Name }) {
			return nil, e.Errorf("there are two cells %s", c.Name)
		}
		all = append(all, c)
	}
	return all, nil
}

// rests says that a cell has no turn tonight.
func (c Cell) rests(h history.History, began time.Time) bool {
	switch {
	case c.Asleep:
		return true
	case c.Of > 1:
		day := int(began.Unix() / int64(24*time.Hour/time.Second))
		return day%c.Of != c.Turn-1
	case c.Changed:
		for _, n := range slices.Backward(h.Nights) {
			if last, ok := n.Cell(c.Name); ok && last.Verdict != "unjudged" {
				return slices.Equal(last.Inputs.Patches, c.Patches)
			}
		}
	}
	return false
}

// unknownCost is what a cell costs of which nothing is known, in seconds.
const unknownCost = 600

// cost returns what a cell is likely to cost, in seconds: the median of its last five runs.
func cost(h history.History, name string) float64 {
	var last []float64
	for _, n := range slices.Backward(h.Nights) {
		if c, ok := n.Cell(name); ok && c.Stage == history.StageTests {
			last = append(last, c.CostS)
		}
		if len(last) == 5 {
			break
		}
	}
	if len(last) == 0 {
		return unknownCost
	}
	slices.Sort(last)
	return last[len(last)/2]
}

// plan returns what is to run in a night that begins now. The cells that the last night left
// out come first, so that no budget leaves out the same cells for ever. The others are sorted
// by their costs, the longest first. Those for which the budget has no room are left out from
// the end. No budget is zero.
func plan(h history.History, all []Cell, budget time.Duration, began time.Time) (history.Plan, error) {
	p := history.Plan{Began: began.Format(time.RFC3339)}
	waited := make(map[string]bool)
	if len(h.Nights) > 0 {
		for _, name := range h.Nights[len(h.Nights)-1].Plan.LeftOut {
			waited[name] = true
		}
	}
	costs, seen := make(map[string]float64), make(map[string]bool)
	for _, c := range all {
		if seen[c.Name] {
			return p, fmt.Errorf("there are two cells %s", c.Name)
		}
		if err := cells.CheckID(c.Name); err != nil {
			return p, err
		}
		seen[c.Name] = true
		if c.rests(h, began) {
			p.Resting = append(p.Resting, c.Name)
			continue
		}
		costs[c.Name] = cost(h, c.Name)
		p.Cells = append(p.Cells, c.Name)
	}
	for _, c := range all {
		if folder := taken(c.Name, seen); folder != "" {
			return p, fmt.Errorf("the cell %s cannot lie in %s, which is the folder of something else; give it another name", c.Name, folder)
		}
	}
	slices.SortStableFunc(p.Cells, func(a, b string) int {
		if waited[a] != waited[b] {
			if waited[a] {
				return -1
			}
			return 1
		}
		return cmp.Compare(costs[b], costs[a])
	})
	sum := 0.0
	for i, name := range p.Cells {
		if sum += costs[name]; budget > 0 && sum > budget.Seconds() {
			p.LeftOut, p.Cells = slices.Clone(p.Cells[i:]), p.Cells[:i:i]
			break
		}
	}
	return p, nil
}

// taken returns the folder in which a cell would lie and which is that of another cell, or of
// something else that a night leaves; "" if there is none.
func taken(name string, others map[string]bool) string {
	first, _, _ := strings.Cut(name, "/")
	if notOfCells(first) {
		return first
	}
	for above := filepath.Dir(name); above != "."; above = filepath.Dir(above) {
		if others[above] {
			return above
		}
	}
	return ""
}

// notOfCells says that a folder of a night has something else than cells.
func notOfCells(name string) bool {
	return slices.Contains([]string{searchDir, SlurmDir, KubernetesDir}, name)
}
