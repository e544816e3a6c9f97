// SPDX-License-Identifier: BSD-3-Clause

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkSecondMailbox compares the time until the guest of a mailbox reports, where
// the mailbox touches one .c file and was never built before, with the sum of: a copy of
// the objects of a build, make of the file, and one bare boot. It uses the user's cache,
// where a mailbox was built before, and adds a few kernels and work folders to it.
func BenchmarkSecondMailbox(b *testing.B) {
	w := newWorld(b)
	dir := filepath.Join(w.tmp, "mailbox")
	run := func(series ...string) *exec.Cmd {
		args := []string{"-tests", "tests/canary", "-run", "TestPass$", "-lane", "real", "-accel", "tcg", "-results", dir}
		return w.vmtest(w.userCache, "run", append(args, series...)...)
	}
	const file = "kernel/time/namespace.c"
	original, err := os.ReadFile(filepath.Join(w.base, file))
	if err != nil {
		b.Fatal(err)
	}
	n := int(time.Now().Unix()) // the cache has no kernel with this change
	change := func() []byte {
		n++
		return fmt.Appendf(original[:len(original):len(original)], "\nint timens_bench_%d(void);\nint timens_bench_%[1]d(void)\n{\n\treturn %[1]d;\n}\n", n)
	}
	// The kernel of control may be in the cache without the folder that it was built in.
	w.do(run("-series", "control", "-patch", w.patch(file, change())))
	w.do(run("-series", w.mailbox(file, change())))

	src, out, copied := filepath.Join(w.tmp, "src"), filepath.Join(w.tmp, "out"), filepath.Join(w.tmp, "copied")
	w.do(exec.Command("cp", "-al", w.base, src))
	w.copyConfig(out)
	w.do(w.make(src, out))
	var text []byte
	w.compare(mailboxRounds, func() time.Duration {
		text = change()
		return w.do(run("-series", w.mailbox(file, text)))
	}, func() time.Duration {
		path := filepath.Join(src, file)
		if err := os.Remove(path); err != nil { // it is shared with the base
			b.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			b.Fatal(err)
		}
		boot := w.bareBoot(filepath.Join(dir, "latest", "real"))
		floor := w.do(exec.Command("cp", "-a", "--reflink=auto", out, copied)) + w.do(w.make(src, out)) + w.do(boot())
		if err := os.RemoveAll(copied); err != nil {
			b.Fatal(err)
		}
		return floor
	})
}

// mailbox writes a mailbox whose one mail changes the contents of a file of the base to
// text, and returns its path.
func (w *world) mailbox(file string, text []byte) string {
	diff, err := os.ReadFile(w.patch(file, text))
	if err != nil {
		w.b.Fatal(err)
	}
	mail := "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n" +
		"From: A U Thor <author@example.org>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nSubject: [PATCH] time: Add a function\n\nFor a benchmark.\n---\n"
	path := filepath.Join(w.tmp, "bench.mbox")
	if err := os.WriteFile(path, append([]byte(mail), diff...), 0o644); err != nil {
		w.b.Fatal(err)
	}
	return path
}
