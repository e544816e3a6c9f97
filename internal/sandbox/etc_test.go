// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The sandbox shows of /etc what compilers need, and nothing about the machine and its
// users.
func TestEtc(t *testing.T) {
	needSandbox(t)
	shown := strings.Fields(sh(t, t.TempDir(), nil, "ls -A /etc"))
	for _, name := range shown {
		if !slices.Contains([]string{"alternatives", "clang", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd"}, name) {
			t.Errorf("/etc/%s is shown", name)
		}
	}
	for path, want := range madeFiles {
		if got := sh(t, t.TempDir(), nil, "cat "+path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if _, err := os.Stat("/etc/ld.so.cache"); err == nil && !slices.Contains(shown, "ld.so.cache") {
		t.Errorf("the sandbox's /etc has only %q", shown)
	}
	for _, dir := range hiddenFolders {
		if got := sh(t, t.TempDir(), nil, "ls -A "+dir+" 2>/dev/null || :"); got != "" {
			t.Errorf("%s shows %q", dir, got)
		}
	}
}

// In its own eyes the command is nobody. Git works in a repository that the command can
// only read, and in one of its own.
func TestNobody(t *testing.T) {
	needSandbox(t)
	repo := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", repo).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	out := sh(t, dir, []string{repo}, "id -u; id -g; id -un; git -C "+repo+" rev-parse --is-inside-work-tree; git init -q own && git -C own rev-parse --git-dir")
	if want := "65534\n65534\nnobody\ntrue\n.git\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if info, err := os.Stat(filepath.Join(dir, "own", ".git")); err != nil || !info.IsDir() {
		t.Errorf("what the command made is not there: %v", err)
	}
}

// A folder on PATH is shown, but not one that holds the user's files or the machine's
// settings. Nor are the shims of a version manager shown: what they run is in the user's home.
func TestStrangePaths(t *testing.T) {
	home := t.TempDir()
	tools, link := filepath.Join(home, "bin"), filepath.Join(t.TempDir(), "link")
	manager, own := filepath.Join(home, ".pyenv", shims), filepath.Join(t.TempDir(), shims)
	for _, dir := range []string{tools, manager, own} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("PATH", strings.Join([]string{tools, manager, own, home, filepath.Dir(home), link, "/", "/etc/", "/etc/alternatives", "/tmp", "/var/tmp/", "/usr/bin", "/nowhere", "relative", ""}, ":"))
	if got := strangePaths(); !slices.Equal(got, []string{tools, own}) {
		t.Errorf("shown are %q, want only %q", got, []string{tools, own})
	}
}
