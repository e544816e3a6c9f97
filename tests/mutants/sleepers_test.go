// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/tests/mutants/generate"
)

// gccIn compiles sources in a folder as kernel.Compiler does.
func gccIn(t *testing.T) compile {
	dir := t.TempDir()
	return func(ctx context.Context, source string, texts map[string]string) ([]byte, string, error) {
		at, err := os.MkdirTemp(dir, "")
		if err != nil {
			return nil, "", err
		}
		for path, text := range texts {
			if err := cache.WriteFile(filepath.Join(at, path), []byte(text)); err != nil {
				return nil, "", err
			}
		}
		cmd := exec.CommandContext(ctx, "gcc", "-std=gnu11", "-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types", "-ftabstop=1", "-Iinclude", "-c", "-o", "object", source)
		cmd.Dir = at
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			return nil, string(out), nil
		}
		if err != nil {
			return nil, "", err
		}
		object, err := os.ReadFile(filepath.Join(at, "object"))
		return object, string(out), err
	}
}

const sleepersText = `#include <linux/box.h>

struct ops {
	int (*get)(struct box *b);
};

const struct ops ops = { .get = box_get, };

int read_box(struct box *b, struct box *other)
{
	int sum = READ(b->tv_sec) + 1;

	if (!b->time_ns || box_get(b) < 3)
		return -1;
	swap_box(b, sum);
	WORD(b, ONE);
	return sum;
}
`

const boxText = `struct box { int tv_sec, tv_nsec, time_ns; struct box *next; };
#define READ(x) (*(const volatile __typeof__(x) *)&(x))
#define BIT_ONE_BITS 1
#define WORD(b, name) ((b)->tv_sec |= BIT_##name##_BITS)
int g(int x);
static inline int box_get(struct box *b)
{
	return g(b->time_ns + b->tv_sec);
}
static inline void swap_box(struct box *b, int n)
{
	b->tv_sec = n;
}
`

// newSleepers has all mutants of a source and of a header.
func newSleepers(t *testing.T) (*sleepers, map[int]generate.Mutant) {
	t.Helper()
	s := &sleepers{
		before: map[string]string{"kernel/box.c": sleepersText, "include/linux/box.h": boxText}, files: make(map[string][]generate.Asleep), alone: make(map[int]string), jobs: 2,
		compile: gccIn(t), has: func(source string) bool { return source == "kernel/box.c" }, including: func(string) []string { return []string{"kernel/box.c"} },
	}
	all := make(map[int]generate.Mutant)
	for _, path := range slices.Sorted(maps.Keys(s.before)) {
		r, err := generate.Generate(generate.Source{Path: path, Text: s.before[path]}, nil, generate.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Mutants {
			all[len(all)+1] = m
			s.files[path] = append(s.files[path], generate.Asleep{Mutant: m, Number: len(all)})
		}
	}
	return s, all
}

// Mutants that compile alone compile asleep, if what they edit is not constant; where a macro needs more than a
// value, the place becomes larger. A mutant that does not compile keeps no other one awake.
func TestSleepersCompose(t *testing.T) {
	s, all := newSleepers(t)
	alone := make(map[int]bool) // what compiles in a file of its own
	for number, m := range all {
		texts := maps.Clone(s.before)
		texts[m.File] = texts[m.File][:m.Begin] + m.New + texts[m.File][m.End:]
		object, _, err := s.compile(t.Context(), "kernel/box.c", texts)
		if err != nil {
			t.Fatal(err)
		}
		alone[number] = object != nil
	}
	texts, err := s.compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if object, printed, err := s.compile(t.Context(), "kernel/box.c", texts); object == nil || err != nil || strings.Contains(printed, "mismatch") {
		t.Errorf("the files with the mutants do not compile: %v\n%s", err, printed)
	}
	larger, asleep, headers := 0, 0, 0
	for path, list := range s.files {
		for _, m := range list {
			if s.alone[m.Number] != "" {
				continue
			}
			if asleep++; m.Refused > 0 {
				larger++
			}
			if strings.HasSuffix(path, ".h") {
				headers++
			}
			if !alone[m.Number] {
				t.Errorf("%s sleeps, and does not compile: %s", m.Name, m.Is)
			}
		}
	}
	for number, why := range s.alone {
		if m := all[number]; alone[number] && m.Function != "ops" {
			t.Errorf("%s cannot sleep because %s: %s", m.Name, why, m.Is)
		}
	}
	if asleep < 25 || larger < 1 || headers < 5 || len(s.alone) < 3 {
		t.Errorf("%d mutants sleep, %d of them in a larger place and %d in the header, and %d cannot: %v", asleep, larger, headers, len(s.alone), s.alone)
	}
	if got := reasons(map[int]string{1: "'a' undeclared", 2: "'b' undeclared", 3: "it is constant"}); got != ", and 3 cannot: 1 because it is constant; 2 because the edit does not compile" || reasons(nil) != "" {
		t.Errorf("the reasons are %q", got)
	}
}

// A mutant of several edits sleeps with all of them, or with none.
func TestSleepersTogether(t *testing.T) {
	type edit struct{ path, old, new string }
	good := []edit{{"kernel/box.c", "return sum;", "return sum + 1;"}, {"include/linux/box.h", "\tb->tv_sec = n;\n", ""}}
	for why, bad := range map[string][]edit{
		"outside of functions": {{"kernel/box.c", "return -1;", "return -2;"}, {"include/linux/box.h", "tv_sec, tv_nsec", "tv_sec, more, tv_nsec"}},
		"undeclared":           {{"kernel/box.c", "swap_box(b, sum);", "swap_box(b, nothing);"}, {"include/linux/box.h", "b->tv_sec);", "b->tv_nsec);"}},
	} {
		s, _ := newSleepers(t)
		clear(s.files)
		for i, edits := range [][]edit{bad, good} {
			for _, e := range edits {
				text := strings.Replace(s.before[e.path], e.old, e.new, 1)
				found, err := generate.Diff(generate.Source{Path: e.path, Text: s.before[e.path]}, nil, text)
				if err != nil || len(found) == 0 {
					t.Fatalf("%q: %d edits, %v", e, len(found), err)
				}
				for _, m := range found {
					s.files[e.path] = append(s.files[e.path], generate.Asleep{Mutant: m, Number: i + 1})
				}
			}
		}
		texts, err := s.compose(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(s.alone[1], why) || s.alone[2] != "" {
			t.Errorf("alone are %v, want 1 because of %q", s.alone, why)
		}
		for path := range s.before {
			if bad, good := strings.Count(texts[path], "== 1)"), strings.Count(texts[path], "== 2)"); bad != 0 || good != 1 {
				t.Errorf("%s has %d edits of mutant 1 and %d of mutant 2, want 0 and 1:\n%s", path, bad, good, texts[path])
			}
		}
	}
}

// What no mutant is at fault for is an error, and no endless loop.
func TestSleepersNotAtFault(t *testing.T) {
	for name, c := range map[string]struct{ says, want string }{
		"another file": {"include/linux/other.h:1:1: error: bad\n", "none of them is at fault:\ninclude/linux/other.h:1:1: error: bad"},
		"no place":     {"cc1: fatal error: no memory\n", "none of them is at fault:\ncc1"},
		"the header":   {"include/linux/vmtest_mutant.h:1:1: error: bad\n", "include/linux/vmtest_mutant.h:1:1: bad; none"},
		"always":       {"kernel/box.c:14:5: error: bad\n", "none"},
	} {
		s, _ := newSleepers(t)
		s.compile = func(context.Context, string, map[string]string) ([]byte, string, error) { return nil, c.says, nil }
		if _, err := s.compose(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
	s, _ := newSleepers(t)
	wrong := errors.New("no compiler")
	s.compile = func(context.Context, string, map[string]string) ([]byte, string, error) { return nil, "", wrong }
	if _, err := s.compose(t.Context()); !errors.Is(err, wrong) {
		t.Errorf("got %v, want %v", err, wrong)
	}
}

// A place in a file of others is that of the note in ours; what is only warned of is none, unless the type of a switch is wrong.
func TestParseRefusals(t *testing.T) {
	const printed = `kernel/box.c: In function 'read_box':
kernel/box.c:3:4: warning: unused variable 'a' [-Wunused-variable]
include/linux/macro.h:9:9: error: lvalue required as unary '&' operand
    9 | #define READ(x) (*&(x))
      |                   ^
include/linux/other.h:2:1: note: in expansion of macro 'OTHER'
kernel/box.c:5:6: note: in expansion of macro 'READ'
kernel/box.c:7:8: warning: pointer type mismatch in conditional expression
include/linux/box.h:10:2: error: 'a' undeclared (first use in this function)
kernel/box.c:11:1: note: each undeclared identifier is reported only once
include/linux/macro.h:9:9: error: bad
kernel/box.c:13:1: warning: another thing
kernel/box.c:14:1: note: of the warning
kernel/box.c:15:1: fatal error: no such file
`
	got := parseRefusals(printed, map[string]string{"kernel/box.c": "", "include/linux/box.h": ""})
	want := []refusal{
		{"kernel/box.c", 5, 6, "lvalue required as unary '&' operand"},
		{"kernel/box.c", 7, 8, "pointer type mismatch in conditional expression"},
		{"include/linux/box.h", 10, 2, "'a' undeclared (first use in this function)"},
		{"kernel/box.c", 15, 1, "no such file"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
