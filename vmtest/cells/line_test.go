// SPDX-License-Identifier: BSD-3-Clause

package cells

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A line of the first version, with a member that it did not have, is read for ever.
const first = `{"schema":1,"id":"6.12/control/default/real","night":"2026-11-27","folder":"/n","command":["bin/vmtest","cell","6.12/control/default/real"],` +
	`"merge":["bin/vmtest","merge","/n"],"keys":{"project":"a"},"minutes":3.5,"memory_mb":2048,"needs":{"kvm":true,"cores":2},"later":1}` + "\n"

var firstLine = Line{Schema: 1, ID: "6.12/control/default/real", Night: "2026-11-27", Folder: "/n", Command: []string{"bin/vmtest", "cell", "6.12/control/default/real"},
	Merge: []string{"bin/vmtest", "merge", "/n"}, Keys: map[string]string{"project": "a"}, Minutes: 3.5, MemoryMB: 2048, Needs: Needs{KVM: true, Cores: 2}}

func TestReadFirstVersion(t *testing.T) {
	for name, text := range map[string]string{"a line": first, "without an end": strings.TrimSpace(first), "with blank lines": "\n" + first + "\n\n"} {
		got, err := Read(strings.NewReader(text))
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], firstLine) {
			t.Errorf("%s: %v, got %+v", name, err, got)
		}
	}
}

// What is written is read again, by Read and by Load.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	second := firstLine
	second.ID, second.Command = "canary", []string{"bin/vmtest", "cell", "a b", "é\n"}
	want := []Line{firstLine, second}
	if err := Save(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, got %+v", err, got)
	}
	var text bytes.Buffer
	if err := Write(&text, want); err != nil || bytes.Count(text.Bytes(), []byte("\n")) != 2 {
		t.Errorf("%v, wrote %q", err, &text)
	}
	if got, err := Load(t.TempDir()); err != nil || got != nil {
		t.Errorf("a folder without a list: %v, %v", got, err)
	}
}

// A list that cannot be trusted is refused, and the message names the line and the cell.
func TestReadRefuses(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(first, old, new, 1) }
	for text, want := range map[string]string{
		"vmtest: cells\n":                                                 `line 1: it is no line of "vmtest cells": `,
		first + first:                                                     "line 2: there are two cells 6.12/control/default/real",
		first + "{}\n":                                                    "line 2: it has no schema",
		change(`"schema":1`, `"schema":99`):                               "line 1: schema 99, and this vmtest reads up to 1: a newer vmtest wrote it; use that one",
		change(`"id":"6.12`, `"id":"../6.12`):                             `"../6.12/control/default/real" is no name of a cell`,
		change(`"id":"6.12`, `"id":"/6.12`):                               `"/6.12/control/default/real" is no name of a cell`,
		change(`"id":"6.12/`, `"id":"6.12/.x/`):                           `"6.12/.x/control/default/real" is no name of a cell`,
		change(`"id":"6.12/`, `"id":"6.12//`):                             `"6.12//control/default/real" is no name of a cell`,
		change(`"id":"6.12/control/default/real"`, `"id":""`):             `"" is no name of a cell`,
		change(`["bin/vmtest","cell","6.12/control/default/real"]`, `[]`): "the cell 6.12/control/default/real has no command",
		first[:len(first)/2]:                                              `line 1: it is no line of "vmtest cells": `,
	} {
		got, err := Read(strings.NewReader(text))
		if err == nil || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, File), []byte(change(`"schema":1`, `"schema":2`)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, errNewer) || !strings.HasPrefix(err.Error(), filepath.Join(dir, File)) {
		t.Errorf("a list of a newer version: %v", err)
	}
}

// The keys that differ are named, with both values.
func TestDifferences(t *testing.T) {
	listed := map[string]string{"project": "a", "base": "6.12", "config": "c"}
	for want, got := range map[string]map[string]string{
		"": {"project": "a", "base": "6.12", "config": "c"},
		"base: 7.3, and the list has 6.12; project: b, and the list has a":       {"project": "b", "base": "7.3", "config": "c"},
		"config: nothing, and the list has c; tree: t, and the list has nothing": {"project": "a", "base": "6.12", "tree": "t"},
	} {
		if said := strings.Join(Differences(listed, got), "; "); said != want {
			t.Errorf("got %q, want %q", said, want)
		}
	}
}
