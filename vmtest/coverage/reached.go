// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
)

// Reached reads the counts of a boot of image from its folder. It adds the functions that
// each test ran to reached, by package.Name, and calls read after each; no two calls overlap. It is an
// error if a test that ended lacks counts of a profiled source.
func Reached(ctx context.Context, h host.Host, image kernel.Image, boot string, reached map[string][]string, read func(test string)) error {
	tmp, err := os.MkdirTemp("", "vmtest-gcov-")
	if err != nil {
		return err
	}
	defer cache.RemoveAll(tmp)
	counts, err := newCounts(h, image, tmp)
	if err != nil {
		return err
	}
	file := filepath.Join(boot, wire.RecordsFile)
	records, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var one sync.Mutex
	_, err = each(ctx, counts, records, func(ctx context.Context, id wire.TestID, gcda map[string][]byte) (none struct{}, err error) {
		functions, err := counts.functions(ctx, gcda)
		if err != nil {
			return none, err
		}
		one.Lock()
		defer one.Unlock()
		reached[id.String()] = functions
		read(id.String())
		return none, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// functions returns the names of the functions that ran. gcda has the counters of each
// source.
func (c *Counts) functions(ctx context.Context, gcda map[string][]byte) ([]string, error) {
	out, err := c.gcov(ctx, gcda, slices.Sorted(maps.Keys(gcda)), "--no-output", "--function-summaries")
	if err != nil {
		return nil, err
	}
	ran, all := parseFunctions(out)
	if all == 0 {
		return nil, fmt.Errorf("gcov of %d files names no function", len(gcda))
	}
	return ran, nil
}

// functionRE matches a function in gcov's summaries, and the part of its lines that ran. Gcov
// writes 0.00 only if no line ran.
var functionRE = regexp.MustCompile(`(?m)^Function '(.+)'\nLines executed:([0-9.]+)% of [0-9]+$`)

// parseFunctions returns the functions that ran, and how many there are.
func parseFunctions(out []byte) (ran []string, all int) {
	for _, m := range functionRE.FindAllSubmatch(out, -1) {
		all++
		if !bytes.Equal(m[2], []byte("0.00")) {
			ran = append(ran, string(m[1]))
		}
	}
	slices.Sort(ran)
	return slices.Compact(ran), all
}
