// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"

	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/order"
)

// breaksFile tells "vmtest run" which tests are to come first when a function has changed.
const breaksFile = "vmtest/order/" + order.BreaksFile

// breaksOf returns which tests noticed the break of which function. Each of tables has what
// caught each mutant on one kernel.
func breaksOf(all []mutant, tables ...map[string]string) order.Breaks {
	b := make(order.Breaks)
	for _, caught := range tables {
		for _, m := range all {
			row := caught[m.String()]
			if selects(row) != "" {
				b.Add(m.functions(), testRE.FindAllString(row, -1))
			}
		}
	}
	return b
}

// functions returns the functions and variables that the mutant edits on any kernel, as far
// as it names them. For code of the vDSO it is order.VDSO.
func (m mutant) functions() []string {
	var all []string
	for _, e := range slices.Concat(m.changes...) {
		if patch.VDSO(e.file) {
			all = append(all, order.VDSO)
		} else if call := syscallRE.FindStringSubmatch(e.within); call != nil {
			all = append(all, "sys_"+call[1])
		} else if name := nameOfRE.FindStringSubmatch(e.within); name != nil {
			all = append(all, name[1])
		}
	}
	return all
}

var (
	syscallRE = regexp.MustCompile(`^SYSCALL_DEFINE\d\((\w+)`)
	nameOfRE  = regexp.MustCompile(`(\w+)(\(| =$)`)
)

// formatBreaks returns the contents of breaksFile.
func formatBreaks(b order.Breaks) ([]byte, error) {
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// updateBreaks writes breaksFile from the lists and the tables of all kernels.
func updateBreaks(all []mutant) error {
	var tables []map[string]string
	for _, base := range slices.Sorted(maps.Keys(tableFiles)) {
		caught, err := readTables(tableFiles[base])
		if err != nil {
			return err
		}
		tables = append(tables, caught)
	}
	text, err := formatBreaks(breaksOf(all, tables...))
	if err != nil {
		return err
	}
	return os.WriteFile(breaksFile, text, 0o644)
}
