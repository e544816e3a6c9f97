// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
	"github.com/u-root/u-root/pkg/uflag"

	"timens-vmtest/internal/wire"
)

// Archive is a built initramfs.
type Archive struct {
	CPIO []byte
	Plan wire.Plan

	planAt int    // index in CPIO of the files that depend on the plan
	key    string // the Spec's
}

// pack writes the archive. The plan's ID is the digest of everything else in
// it that takes part in a run: an archive for debugging has the same ID.
func (s Spec) pack(programs []program, plan wire.Plan) (Archive, error) {
	var records []cpio.Record
	for _, dir := range []string{"bin", "dev", "etc", "proc", "sys", "tests", "tmp"} {
		records = append(records, cpio.Directory(dir, 0o755))
	}
	records = append(records, cpio.CharDev("dev/console", 0o600, 5, 1), cpio.Symlink("init", "bin/init"), cpio.Symlink("bin/uinit", "init"))
	id := sha256.New()
	given, err := s.hostFiles()
	if err != nil {
		return Archive{}, err
	}
	for _, p := range programs {
		if !s.Shell && !p.neededBy(plan) || slices.ContainsFunc(given, func(r cpio.Record) bool { return r.Name == p.guest }) {
			continue
		}
		text, err := os.ReadFile(p.host)
		if err != nil {
			return Archive{}, err
		}
		records = append(records, cpio.StaticRecord(text, cpio.Info{Name: p.guest, Mode: cpio.S_IFREG | 0o755}))
		if p.forShell() { // they are not what the run had, and run nothing of the plan
			continue
		}
		fmt.Fprintf(id, "%s %x\n", p.guest, sha256.Sum256(text))
	}
	records = append(records, given...)
	if s.Shell {
		records = append(records, pagerLink(),
			cpio.StaticFile("etc/uinit.flags", uflag.ArgvToFile([]string{"-shell", "-design", s.Design, "-clone-flags", strconv.FormatUint(plan.CloneFlags, 10)}), 0o644))
		text, err := encode(records)
		return Archive{CPIO: text, Plan: plan}, err
	}
	if s.Debug != nil {
		more, err := s.debugFiles()
		if err != nil {
			return Archive{}, err
		}
		records = append(records, more...)
	}
	trailer, err := encode(nil)
	if err != nil {
		return Archive{}, err
	}
	text, err := encode(records)
	if err != nil {
		return Archive{}, err
	}
	a := Archive{CPIO: bytes.TrimSuffix(text, trailer), key: s.Key}
	a.planAt = len(a.CPIO)
	return a.with(plan, hex.EncodeToString(id.Sum(nil)))
}

// with returns the archive with another plan. made identifies all else that is in it.
func (a Archive) with(plan wire.Plan, made string) (Archive, error) {
	plan.ID = ""
	id := sha256.New()
	fmt.Fprintln(id, made)
	if err := json.NewEncoder(id).Encode(plan); err != nil {
		return Archive{}, err
	}
	plan.ID = hex.EncodeToString(id.Sum(nil)[:16])
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return Archive{}, err
	}
	records := []cpio.Record{
		cpio.Symlink(strings.TrimPrefix(wire.FirstTest, "/"), wire.TestBinary(plan.Tests[0].Package)),
		cpio.StaticFile(strings.TrimPrefix(wire.PlanPath, "/"), string(text)+"\n", 0o644),
	}
	if a.key != "" {
		records = append(records, cpio.StaticFile(strings.TrimPrefix(wire.KeyPath, "/"), a.key, 0o600))
	}
	last, err := encode(records)
	a.Plan, a.CPIO = plan, slices.Concat(a.CPIO[:a.planAt], last)
	return a, err
}

// InOrder returns the archive with the tests of its plan in another order. It is an error if
// tests are not those of the plan, or if one for a later guest is not at the end. a is not
// changed.
func (a Archive) InOrder(tests []wire.Test) (Archive, error) {
	plan := a.Plan
	plan.Tests = tests
	left := make(map[wire.Test]int)
	for _, t := range a.Plan.Tests {
		left[t]++
	}
	for _, t := range tests {
		left[t]--
	}
	for t, n := range left {
		if n != 0 || len(tests) != len(a.Plan.Tests) {
			return Archive{}, fmt.Errorf("the order of %d tests has not each of %d tests once, such as %s", len(tests), len(a.Plan.Tests), t)
		}
	}
	if !slices.Equal(plan.Part(plan.Later()), a.Plan.Part(a.Plan.Later())) {
		return Archive{}, errors.New("the tests for a later guest are not the last ones, in their order")
	}
	return a.with(plan, a.Plan.ID)
}

// Traced returns the archive for guests that record t. Its plan is the same, and must not be
// put in another order any more.
func (a Archive) Traced(t wire.Trace) (Archive, error) {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return Archive{}, err
	}
	a.CPIO, err = a.add([]cpio.Record{cpio.StaticFile(strings.TrimPrefix(wire.TracePath, "/"), string(text)+"\n", 0o644)})
	return a, err
}

// InShards returns the archive with a plan whose lanes are split like this over several
// guests. It is an error if a test is in no shard of its lane or in two. a is not changed.
func (a Archive) InShards(shards map[string]wire.Shards) (Archive, error) {
	plan := a.Plan
	plan.Shards = shards
	for lane := range shards {
		if err := plan.CheckShards(lane); err != nil {
			return Archive{}, err
		}
	}
	return a.with(plan, a.Plan.ID)
}

// With returns the archive for a later guest, with files that earlier guests
// left.
func (a Archive) With(files wire.Carried) ([]byte, error) {
	var records []cpio.Record
	for _, name := range slices.Sorted(maps.Keys(files)) {
		guest := strings.TrimPrefix(path.Join(wire.CarriedDir, name), "/")
		records = append(records, cpio.StaticRecord(files[name], cpio.Info{Name: guest, Mode: cpio.S_IFREG | 0o644}))
	}
	return a.add(records)
}

// add returns the archive with more files at its end.
func (a Archive) add(records []cpio.Record) ([]byte, error) {
	trailer, err := encode(nil)
	if err != nil {
		return nil, err
	}
	more, err := encode(records)
	return slices.Concat(bytes.TrimSuffix(a.CPIO, trailer), more), err
}

func encode(records []cpio.Record) ([]byte, error) {
	cpio.MakeAllReproducible(records)
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	if err := cpio.WriteRecordsAndDirs(w, records); err != nil {
		return nil, err
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
