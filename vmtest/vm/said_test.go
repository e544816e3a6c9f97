// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Said returns a reason once a day, and another reason at once.
func TestSaid(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "kvm")
	say := func(why, want string) {
		t.Helper()
		if got, err := (Choice{Why: why}).Said(memory); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", why, got, err, want)
		}
	}
	say("", "")
	say("none", "; KVM does not work: none")
	say("none", "; KVM does not work")
	say("other", "; KVM does not work: other")
	files, err := filepath.Glob(filepath.Join(memory, "said-*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	for _, file := range files {
		if err := os.Chtimes(file, yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	say("none", "; KVM does not work: none")
	say("none", "; KVM does not work")
	if _, err := (Choice{Why: "none"}).Said("/dev/null"); err == nil {
		t.Error("no error for a folder that cannot be read")
	}
}
