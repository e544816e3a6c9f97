// SPDX-License-Identifier: BSD-3-Clause

// Package cells has the format in which the cells of a night are handed to whatever runs them,
// such as Slurm: one line of JSON for each cell. The package runs nothing.
package cells

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/cache"
)

// Schema is the version of a Line. It grows when a member is removed or gets another meaning.
// Members that are added do not change it. Lines of every older version are read for ever.
const Schema = 1

// File is the name of the list of a night's cells, in the folder of the night.
const File = "cells.jsonl"

// Line says what one cell is, how it is run, and what it costs.
type Line struct {
	Schema   int               `json:"schema"`
	ID       string            `json:"id"`              // such as "6.12/control/default/real"; a path below Folder
	Night    string            `json:"night,omitempty"` // name of the night; empty: no night has begun
	Folder   string            `json:"folder,omitempty"`
	Command  []string          `json:"command"`         // runs the cell in a checkout of this project; without a night, "-out FOLDER" is to be added
	Merge    []string          `json:"merge,omitempty"` // judges the night when all cells have run; it is the same in all lines
	Keys     map[string]string `json:"keys"`            // what the cell is made of. Cells whose keys differ cannot be compared
	Minutes  float64           `json:"minutes"`         // that the cell is likely to take
	MemoryMB int               `json:"memory_mb"`       // that the cell is likely to need
	Needs    Needs             `json:"needs"`
}

// Shared are the keys that are the same for all cells of a night which one checkout and one machine
// have listed.
var Shared = []string{"project", "toolchain", "make", "qemu", "tree"}

// Needs says what the machine that runs a cell has to have.
type Needs struct {
	KVM   bool `json:"kvm"` // the cell cannot run without /dev/kvm
	Cores int  `json:"cores"`
}

// errNewer is the error for what a newer version of this program wrote.
var errNewer = errors.New("a newer vmtest wrote it; use that one")

// CheckSchema returns an error for a version that this program cannot read.
func CheckSchema(schema int) error {
	switch {
	case schema > Schema:
		return fmt.Errorf("schema %d, and this vmtest reads up to %d: %w", schema, Schema, errNewer)
	case schema < 1:
		return errors.New("it has no schema")
	}
	return nil
}

// Read reads lines, and refuses a list that names a cell twice.
func Read(r io.Reader) ([]Line, error) {
	var all []Line
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(text)) > 0 {
			l, err := parse(text)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			if slices.ContainsFunc(all, func(other Line) bool { return other.ID == l.ID }) {
				return nil, fmt.Errorf("line %d: there are two cells %s", n, l.ID)
			}
			all = append(all, l)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func parse(text []byte) (Line, error) {
	var l Line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("it is no line of \"vmtest cells\": %w", err)
	}
	if err := CheckSchema(l.Schema); err != nil {
		return l, err
	}
	if err := CheckID(l.ID); err != nil {
		return l, err
	}
	if len(l.Command) == 0 {
		return l, fmt.Errorf("the cell %s has no command", l.ID)
	}
	return l, nil
}

// CheckID refuses a name that cannot be the path of a folder below that of the night.
func CheckID(id string) error {
	if !filepath.IsLocal(id) || filepath.Clean(id) != id || hidden(id) {
		return fmt.Errorf("%q is no name of a cell: it has to be a relative path without hidden folders", id)
	}
	return nil
}

// hidden reports whether a part of a path begins with a dot.
func hidden(path string) bool {
	for p := path; p != "."; p = filepath.Dir(p) {
		if filepath.Base(p)[0] == '.' {
			return true
		}
	}
	return false
}

// Write writes lines.
func Write(w io.Writer, lines []Line) error {
	out := json.NewEncoder(w) // it ends each value with a newline
	for _, l := range lines {
		l.Schema = Schema
		if err := out.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// Load reads the list in the folder of a night. A folder without a list has an empty one.
func Load(folder string) ([]Line, error) {
	path := filepath.Join(folder, File)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// Save writes the list in the folder of a night. A reader sees the whole list or the one before.
func Save(folder string, lines []Line) error {
	var text bytes.Buffer
	if err := Write(&text, lines); err != nil {
		return err
	}
	return cache.WriteFile(filepath.Join(folder, File), text.Bytes())
}

// Differences says which keys of two cells differ, such as "project: b2c3, and the list has a1b2".
// It returns nothing if the two can be compared.
func Differences(listed, got map[string]string) []string {
	var names []string
	for _, keys := range []map[string]string{listed, got} {
		for name := range keys {
			if listed[name] != got[name] && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s: %s, and the list has %s", name, said(got[name]), said(listed[name]))
	}
	return names
}

// said is a key as a message says it.
func said(key string) string {
	if key == "" {
		return "nothing"
	}
	return key
}
