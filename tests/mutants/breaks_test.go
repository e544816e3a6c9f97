// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"timens-vmtest/vmtest/order"
)

var update = flag.Bool("update", false, "write "+breaksFile)

func TestBreaksOf(t *testing.T) {
	edits := func(where ...string) (all []change) {
		for i := 0; i < len(where); i += 2 {
			all = append(all, change{{file: where[i], within: where[i+1]}})
		}
		return all
	}
	all := []mutant{
		{series: "a", name: "one", changes: edits("kernel/time/namespace.c", "int check(", "kernel/time/namespace.c", "check(", "kernel/nsproxy.c", "SYSCALL_DEFINE2(setns,")},
		{series: "b", name: "one", changes: edits("kernel/time/namespace.c", "static int check(")},
		{series: "a", name: "vdso", changes: edits("lib/vdso/gettimeofday.c", "", "kernel/time/namespace.c", "struct time_namespace init_time_ns =")},
		{series: "a", name: "nowhere", changes: edits("kernel/fork.c", "")},
		{series: "a", name: "not-run", changes: edits("kernel/fork.c", "f(")},
		{series: "a", name: "same", equivalent: "it is", changes: edits("kernel/fork.c", "f(")},
	}
	got := breaksOf(all, map[string]string{
		"a/one": "p.TestA, p/386.TestB", "b/one": "p.TestA, p.TestB, p.TestC, p.TestD and 9 more", "a/vdso": "p.TestC", "a/nowhere": "p.TestD", "a/same": "nothing: it is",
	}, map[string]string{"a/vdso": "p.TestC", "a/one": "none: other code"})
	want := order.Breaks{
		"check":        {Breaks: 2, Tests: map[string]int{"p.TestA": 2, "p/386.TestB": 1, "p.TestB": 1, "p.TestC": 1, "p.TestD": 1}},
		"sys_setns":    {Breaks: 1, Tests: map[string]int{"p.TestA": 1, "p/386.TestB": 1}},
		order.VDSO:     {Breaks: 2, Tests: map[string]int{"p.TestC": 2}},
		"init_time_ns": {Breaks: 2, Tests: map[string]int{"p.TestC": 2}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What "vmtest run" knows of the mutants is what the lists and the tables say.
func TestBreaksFile(t *testing.T) {
	var tables []map[string]string
	for _, base := range slices.Sorted(maps.Keys(tableFiles)) {
		caught, err := readTables(filepath.Base(tableFiles[base]))
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, caught)
	}
	want, err := formatBreaks(breaksOf(listed(t), tables...))
	if err != nil {
		t.Fatal(err)
	}
	const file = "../../" + breaksFile
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("%s is not in step with the tables, %v; go test ./tests/mutants -update", breaksFile, err)
	}
}
