// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// counting builds a program with counters and runs it with one argument. It returns a cache
// entry of the program, and the counters of that run.
func counting(t *testing.T) (kernel.Image, []byte) {
	dir := hosttest.Folder(t, map[string]string{"kernel/check.c": `#include "check.h"
int main(int n, char **arg)
{
	if (n > 9)
		return twice(n);
	return twice(n) == 4;
}
`, "kernel/check.h": "static inline int twice(int n)\n{\n\treturn 2 * n;\n}\n"})
	for _, command := range []string{"gcc -O2 -fno-inline --coverage -o kernel/check.o -c kernel/check.c", "gcc --coverage -o check kernel/check.o", "./check x"} {
		word := strings.Fields(command)
		cmd := exec.Command(word[0], word[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil && word[0] == "gcc" {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	gcda, err := os.ReadFile(filepath.Join(dir, "kernel/check.gcda"))
	if err != nil {
		t.Fatal(err)
	}
	notes, err := os.ReadFile(filepath.Join(dir, "kernel/check.gcno"))
	if err != nil {
		t.Fatal(err)
	}
	entry := hosttest.Folder(t, map[string]string{"gcov/kernel/check.gcno": string(notes)})
	sum, err := cache.HashFile(filepath.Join(entry, "gcov/kernel/check.gcno"))
	if err != nil {
		t.Fatal(err)
	}
	image := kernel.Image{Vmlinux: filepath.Join(entry, "vmlinux"), Profiled: map[string]string{"kernel/check.c": sum}}
	return image, gcda
}

func TestCounts(t *testing.T) {
	image, gcda := counting(t)
	c, err := newCounts(host.Host{}, image, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := c.source("home/me/out/kernel/check.gcda")
	if err != nil || source != "kernel/check.c" {
		t.Fatalf("source is %q, %v, want kernel/check.c", source, err)
	}
	if got, err := c.source("kernel/other.gcda"); err == nil {
		t.Errorf("the counters of another source are taken as those of %s", got)
	}
	l, err := c.Lines(t.Context(), map[string][]byte{source: gcda})
	if err != nil {
		t.Fatal(err)
	}
	body := l["kernel/check.c"]
	if body[4].Count != 1 || body[5].Count != 0 || body[6].Count != 1 || l["kernel/check.h"][3].Count != 1 {
		t.Errorf("got %v, want lines 4 and 6 to have run, and line 5 not", l)
	}
	if _, ok := body[5]; !ok {
		t.Errorf("line 5 has code and did not run, but is not in %v", body)
	}
	for what, damaged := range map[string][]byte{
		"a file that is not gcov's": []byte("no counters"), "an empty file": nil,
		"counters of another build": slices.Concat(gcda[:8], []byte{1, 2, 3, 4}, gcda[12:]),
	} {
		if l, err := c.Lines(t.Context(), map[string][]byte{source: damaged}); err == nil {
			t.Errorf("%s was read as %v", what, l)
		}
	}
	note := filepath.Join(filepath.Dir(image.Vmlinux), "gcov/kernel/check.gcno")
	if err := os.WriteFile(note, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := newCounts(host.Host{}, image, t.TempDir()); err == nil || !strings.Contains(err.Error(), note+" is damaged") {
		t.Errorf("damaged notes: got %v", err)
	}
}

// packed compresses counters, as the guest does.
func packed(t *testing.T, gcda []byte) []byte {
	t.Helper()
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	if _, err := z.Write(gcda); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return small.Bytes()
}

// Of the functions of a kernel, those that ran are reached.
func TestReached(t *testing.T) {
	image, gcda := counting(t)
	small := packed(t, gcda)
	id := wire.TestID{Package: "p/386", Name: "TestA"}
	stream := func(records ...wire.Record) string {
		var text []byte
		for i, r := range records {
			r.Seq, r.TestID, r.Taint = i, &id, new(int64)
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(text, line...), '\n')
		}
		return hosttest.Folder(t, map[string]string{wire.RecordsFile: string(text)})
	}
	start, end := wire.Record{Type: wire.TypeStart}, wire.Record{Type: wire.TypeEnd, End: &wire.End{}}
	counts := wire.Record{Type: wire.TypeCounts, Path: "out/kernel/check.gcda", Data: small}
	reached := map[string][]string{"p.TestOther": {"f"}}
	var said []string
	read := func(test string) { said = append(said, test) }
	if err := Reached(t.Context(), host.Host{}, image, stream(start, counts, end), reached, read); err != nil {
		t.Fatal(err)
	}
	if want := map[string][]string{"p.TestOther": {"f"}, "p/386.TestA": {"main", "twice"}}; !reflect.DeepEqual(reached, want) {
		t.Errorf("got %v, want %v", reached, want)
	}
	if len(said) != 1 || said[0] != "p/386.TestA" {
		t.Errorf("said %q, want the test that was read", said)
	}
	damaged := counts
	damaged.Data = []byte("x")
	for what, dir := range map[string]string{"no counts": stream(start, end), "counts that are damaged": stream(start, damaged, end), "no records": t.TempDir()} {
		if err := Reached(t.Context(), host.Host{}, image, dir, reached, read); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	notes := filepath.Join(filepath.Dir(image.Vmlinux), "gcov")
	if err := cache.CopyFile(filepath.Join(notes, "kernel/check.gcno"), filepath.Join(notes, "kernel/other.gcno")); err != nil {
		t.Fatal(err)
	}
	image.Profiled["kernel/other.c"] = image.Profiled["kernel/check.c"]
	if err := Reached(t.Context(), host.Host{}, image, stream(start, counts, end), reached, read); err == nil {
		t.Error("the counts of one source are missing, and there is no error")
	}
}

// Several gcov run at the same time, and the tests keep the order of their records.
func TestReadSideBySide(t *testing.T) {
	image, gcda := counting(t)
	small := packed(t, gcda)
	var records []byte
	var want []string
	for i := range 12 {
		id := wire.TestID{Package: "p", Name: fmt.Sprintf("Test%d", i)}
		want = append(want, id.String())
		for _, r := range []wire.Record{
			{Type: wire.TypeStart}, // a try that the emulator has ended counts nothing
			{Type: wire.TypeEnd, End: &wire.End{Again: true}},
			{Type: wire.TypeStart},
			{Type: wire.TypeCounts, Path: "out/kernel/check.gcda", Data: small},
			{Type: wire.TypeEnd, End: &wire.End{}},
		} {
			r.TestID, r.Taint = &id, new(int64)
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			records = append(append(records, line...), '\n')
		}
	}
	c, err := newCounts(host.Host{Cores: 3}, image, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tests, err := read(t.Context(), c, records)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range tests {
		got = append(got, one.name)
		if one.lines["kernel/check.c"][4].Count != 1 {
			t.Errorf("%s: line 4 ran %d times, want 1", one.name, one.lines["kernel/check.c"][4].Count)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseFunctions(t *testing.T) {
	ran, all := parseFunctions([]byte("Function 'f'\nLines executed:0.01% of 9000\n\nFunction 'g.part.0'\nLines executed:100.00% of 1\n\n" +
		"Function 'h'\nLines executed:0.00% of 7\n\nFunction 'empty'\nNo executable lines\n\nFunction 'f'\nLines executed:3.00% of 9\n\nFile 'x.c'\nLines executed:50.00% of 10\n"))
	if !slices.Equal(ran, []string{"f", "g.part.0"}) || all != 4 {
		t.Errorf("got %v of %d", ran, all)
	}
}

func TestMerge(t *testing.T) {
	a := Lines{"a.c": {1: {Count: 1, Partly: true}, 2: {}, 3: {Count: 1}}}
	a.merge(Lines{"a.c": {1: {Count: 2}, 2: {Count: 1, Partly: true}, 3: {}}, "b.h": {9: {Count: 3}}})
	want := Lines{"a.c": {1: {Count: 3}, 2: {Count: 1, Partly: true}, 3: {Count: 1}}, "b.h": {9: {Count: 3}}}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
}

// The guest reads counters while other CPUs count, and then gcov may print a negative
// count. It is read as zero.
func TestGcovOfMovingCounters(t *testing.T) {
	got, err := parseGcov([]byte(`{"data_file": "kernel/nsproxy.gcda", "files": [{"file": "kernel/./nsproxy.c", "lines": [
		{"line_number": 7, "count": -1, "unexecuted_block": true}, {"line_number": 8, "count": 2, "unexecuted_block": true}]}]}
		{"data_file": "kernel/fork.gcda", "files": []}`))
	want := map[string]Lines{"kernel/nsproxy.gcda": {"kernel/nsproxy.c": {7: {}, 8: {2, true}}}, "kernel/fork.gcda": {}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
