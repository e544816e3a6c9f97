// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/host/hosttest"
)

// three returns a runner of two mutants at a time, in a folder whose bin/vmtest is a script, and
// three mutants.
func three(t *testing.T, script string) (runner, []patched) {
	t.Helper()
	t.Chdir(hosttest.Folder(t, map[string]string{"bin/vmtest": script}))
	if err := os.Chmod("bin/vmtest", 0o755); err != nil {
		t.Fatal(err)
	}
	var all []patched
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, patched{mutant: mutant{series: "control", name: name, run: "R"}, patch: []byte(name)})
	}
	return runner{host: hosttest.New(t), base: "6.12", first: true, jobs: 2}, all
}

// Mutants are run two at a time, and share the cores.
func TestRunEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	r, all := three(t, `#!/bin/sh
echo "$GOMAXPROCS" >>shares
for i in $(seq 300); do test "$(wc -l <shares)" -ge 2 && break; sleep 0.1; done
test "$(wc -l <shares)" -ge 2 || echo alone >>shares
mkdir -p "$3/latest"
echo '{"verdict":"fail","lanes":[{"tests":[{"package":"timens","name":"TestA","status":"fail","expected":"pass"}]}]}' >"$3/latest/report.json"
`)
	results := make([]result, len(all))
	if err := r.runEach(t.Context(), all, progressOf(results), nil); err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		if res.name != all[i].name || res.says(2) != "caught by timens.TestA" {
			t.Errorf("%d: got %v %s", i, res.mutant, res.says(2))
		}
	}
	if shares, err := os.ReadFile("shares"); err != nil || string(shares) != "3\n3\n3\n" {
		t.Errorf("the numbers of cores are %q, %v", shares, err)
	}
}

// What an interruption cuts off has no result, and what has not begun is not run.
func TestRunEachInterrupted(t *testing.T) {
	r, all := three(t, "#!/bin/sh\necho began >>began\nexec sleep 60\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for range 600 {
			if text, _ := os.ReadFile("began"); strings.Count(string(text), "\n") == 2 { // it may not be there yet
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	results := make([]result, len(all))
	err := r.runEach(ctx, all, progressOf(results), nil)
	if err == nil || err.Error() != "interrupted; the finished mutants are remembered" || len(ran(results)) != 0 {
		t.Errorf("got %v, %v", err, results)
	}
	if text, err := os.ReadFile("began"); err != nil || string(text) != "began\nbegan\n" {
		t.Errorf("%q, %v", text, err)
	}
}
