// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/wire"
)

// gcov is the kernel's count of how often each line ran, if it has one. The
// zero value is for a kernel that does not count.
type gcov struct{ files []string } // names below wire.GcovDir

func newGcov(config []byte) (gcov, error) {
	if !bytes.Contains(config, []byte("\nCONFIG_GCOV_KERNEL=y\n")) {
		return gcov{}, nil
	}
	var g gcov
	err := filepath.WalkDir(wire.GcovDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".gcda") {
			g.files = append(g.files, strings.TrimPrefix(path, wire.GcovDir+"/"))
		}
		return err
	})
	if err == nil && g.files == nil {
		err = errors.New("no object of it was built to count")
	}
	if err != nil {
		return gcov{}, fmt.Errorf("gcov, which this kernel was built with: %w", err)
	}
	return g, nil
}

// reset sets all counts to zero.
func (g gcov) reset() error {
	if g.files == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(wire.GcovDir, "reset"), []byte("1"), 0)
}

// report writes a record for each file of counts.
func (g gcov) report(out *records, id wire.TestID) error {
	for _, name := range g.files {
		text, err := os.ReadFile(filepath.Join(wire.GcovDir, name))
		if err != nil {
			return err
		}
		small, err := wire.Pack(text) // most counts are zero
		if err != nil {
			return err
		}
		if err := out.write(wire.Record{Type: wire.TypeCounts, TestID: &id, Path: name, Data: small}); err != nil {
			return err
		}
	}
	return nil
}
