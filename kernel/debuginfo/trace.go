// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"

	"timens-vmtest/internal/nearest"
)

// CheckTrace returns an error if a kernel has none of the functions that a name or a pattern
// stands for, or no event of that name. An event is named "system:name". Its system is not
// looked at, because the symbols of a kernel do not tell it.
func CheckTrace(vmlinux string, functions, events []string) error {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading only
	symbols, err := f.Symbols()
	if err != nil {
		return fmt.Errorf("%s: %w", vmlinux, err)
	}
	var haveFunctions, haveEvents []string
	for _, s := range symbols {
		switch elf.ST_TYPE(s.Info) {
		case elf.STT_FUNC:
			name, _, _ := strings.Cut(s.Name, ".") // of a copy such as name.isra.0
			haveFunctions = append(haveFunctions, name)
		case elf.STT_OBJECT:
			if name, ok := strings.CutPrefix(s.Name, "event_"); ok {
				haveEvents = append(haveEvents, eventOf(name))
			}
		}
	}
	for _, pattern := range functions {
		if !matchesOne(pattern, haveFunctions) {
			return fmt.Errorf("%s: the kernel has no such function%s", pattern, nearest.DidYouMean(pattern, haveFunctions))
		}
	}
	for _, event := range events {
		_, pattern, _ := strings.Cut(event, ":")
		if pattern != "" && !matchesOne(pattern, haveEvents) {
			return fmt.Errorf("%s: the kernel has no such event%s", event, nearest.DidYouMean(pattern, haveEvents))
		}
	}
	return nil
}

// eventOf returns the name of the event whose symbol is "event_" and this. Those of system
// calls are named in another way.
func eventOf(symbol string) string {
	for _, edge := range []string{"enter", "exit"} {
		if call, ok := strings.CutPrefix(symbol, edge+"__"); ok {
			return "sys_" + edge + "_" + call
		}
	}
	return symbol
}

func matchesOne(pattern string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}
