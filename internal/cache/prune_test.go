// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shelf is a cache with entries of 100 kB and more.
type shelf struct {
	Cache
	t *testing.T
}

func newShelf(t *testing.T) shelf { return shelf{Cache{Dir: t.TempDir()}, t} }

// put makes an entry that was last used that many hours ago.
func (s shelf) put(k EntryKind, key string, kB, hours int) {
	s.t.Helper()
	path, text := s.entry(k, key), bytes.Repeat([]byte("x"), kB*1000)
	if k != Answer {
		path = filepath.Join(path, "deep", "file")
	}
	if err := WriteFile(path, text); err != nil {
		s.t.Fatal(err)
	}
	used := time.Now().Add(-time.Duration(hours) * time.Hour)
	if k != Answer {
		if err := s.Wrote(k, key, key+" in words"); err != nil {
			s.t.Fatal(err)
		}
		path = s.useFile(k, key)
	}
	if err := os.Chtimes(path, used, used); err != nil {
		s.t.Fatal(err)
	}
}

// prune removes what is above the limit, and returns the keys of what was removed and of
// what is left.
func (s shelf) prune(kB int64) (removed, left string) {
	s.t.Helper()
	gone, bytes, err := s.Prune(s.t.Context(), kB*1000)
	if err != nil {
		s.t.Error(err)
	}
	all, err := s.Entries()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range all {
		bytes -= e.Bytes
	}
	if bytes != 0 {
		s.t.Errorf("Prune and Entries differ by %d bytes in what is left", bytes)
	}
	return keys(gone), keys(all)
}

func keys(all []Entry) string {
	var list []string
	for _, e := range all {
		list = append(list, e.Key)
	}
	return strings.Join(list, " ")
}

// The entry that was not used for the longest time goes first, of whatever kind it is, and
// no more goes than has to.
func TestPruneOldestFirst(t *testing.T) {
	s := newShelf(t)
	for i, k := range kinds {
		s.put(k, fmt.Sprint(k), 100, (i*5)%len(kinds))
	}
	order := "answers selftests git work runs ccache guest base kernel" // from 8 hours ago to now
	if removed, left := s.prune(10000); removed != "" || left != order {
		t.Errorf("below the limit: removed %q, left %q, want %q", removed, left, order)
	}
	removed, left := s.prune(700)
	if removed != "answers selftests git" || left != "work runs ccache guest base kernel" {
		t.Errorf("removed %q, left %q, want the three oldest of %q gone", removed, left, order)
	}
	if removed, left = s.prune(0); left != "" || removed != "work runs ccache guest base kernel" {
		t.Errorf("removed %q, left %q, want nothing left", removed, left)
	}
	rest, err := filepath.Glob(filepath.Join(s.Dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range rest {
		if filepath.Base(filepath.Dir(path)) != "locks" {
			t.Errorf("%s is still there", path)
		}
	}
}

// What is used becomes the youngest.
func TestUseKeeps(t *testing.T) {
	s := newShelf(t)
	s.put(Kernel, "old", 100, 2)
	s.put(Kernel, "new", 100, 1)
	if err := s.Use(Kernel, "old", ""); err != nil {
		t.Fatal(err)
	}
	if removed, _ := s.prune(150); removed != "new" {
		t.Errorf("removed %q, want new", removed)
	}
	all, err := s.Entries()
	if err != nil || len(all) != 1 || all[0].What != "old in words" {
		t.Errorf("got %+v, %v, want what was said of it", all, err)
	}
	answers := newShelf(t)
	ask := func() (string, error) { return strings.Repeat("x", 100000), nil }
	for _, key := range []string{"first", "second", "first"} {
		if _, err := Recall(t.Context(), answers.Cache, key, t.Logf, ask); err != nil {
			t.Fatal(err)
		}
	}
	if removed, _ := answers.prune(150); removed != Digest("second")[:32] {
		t.Errorf("removed the answer %q, want the one that was not asked for again", removed)
	}
}

// TestHolder is the other process of the tests below. It holds or uses an entry until its
// standard input ends.
func TestHolder(t *testing.T) {
	how, dir, _ := strings.Cut(os.Getenv("CACHE_TEST_HOLDS"), " ")
	c := Cache{Dir: dir, Uses: new(Uses)}
	switch how {
	case "":
		return
	case "locks":
		unlock, err := c.Lock(t.Context(), Kernel.lock("held"), "x", t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
	case "uses":
		if err := c.Use(Kernel, "held", ""); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-9 * time.Hour)
		if err := os.Chtimes(c.useFile(Kernel, "held"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1)) // its end, or a killed parent's
}

// What another process builds or uses stays, however old it is. The next oldest goes.
func TestPruneSkipsWhatIsInUse(t *testing.T) {
	for _, how := range []string{"locks", "uses"} {
		t.Run(how, func(t *testing.T) {
			s := newShelf(t)
			s.put(Kernel, "held", 100, 9)
			s.put(Kernel, "free", 100, 8)
			s.put(Work, "young", 100, 1)
			cmd := exec.Command(os.Args[0], "-test.run=^TestHolder$")
			cmd.Env = append(os.Environ(), "CACHE_TEST_HOLDS="+how+" "+s.Dir)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if removed, left := s.prune(250); removed != "free" || left != "held young" {
				t.Errorf("removed %q, left %q, want only free gone", removed, left)
			}
			if removed, _ := s.prune(0); removed != "young" {
				t.Errorf("without a limit: removed %q, want young", removed)
			}
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if removed, _ := s.prune(0); removed != "held" {
				t.Errorf("when the other has ended: removed %q, want held", removed)
			}
		})
	}
}

// A process does not remove what it uses itself.
func TestPruneSkipsOwnUse(t *testing.T) {
	s := newShelf(t)
	s.put(Kernel, "k", 100, 1)
	s.Uses = new(Uses)
	for range 2 {
		if err := s.Use(Kernel, "k", ""); err != nil {
			t.Fatal(err)
		}
	}
	if removed, _ := s.prune(0); removed != "" {
		t.Errorf("removed %q, want nothing", removed)
	}
	if err := s.Uses.Close(); err != nil {
		t.Fatal(err)
	}
	if removed, _ := s.prune(0); removed != "k" {
		t.Errorf("after Close: removed %q, want k", removed)
	}
}

// An entry that was used after it was listed stays.
func TestRemoveSeesLaterUse(t *testing.T) {
	s := newShelf(t)
	s.put(Kernel, "k", 100, 1)
	all, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Use(Kernel, "k", ""); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.remove(all[0]); gone || err != nil {
		t.Errorf("removed %t, %v, want it to stay", gone, err)
	}
}

// What a killed process has left goes, also below the limit, and takes nothing of the
// entry with it.
func TestPruneLeftovers(t *testing.T) {
	s := newShelf(t)
	s.put(Work, "w", 100, 1)
	if err := WriteFile(filepath.Join(s.Dir, "work", "tmp-w", "file"), make([]byte, 100000)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(s.Dir, "git", "tmp-g", "file"), make([]byte, 100000)); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock(t.Context(), Repository.lock("g"), "x", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if removed, left := s.prune(10000); removed != "w" || left != "g w" {
		t.Errorf("removed %q, left %q, want the half folder of w gone, and the one that is being made left", removed, left)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "work", "w", "deep", "file")); err != nil {
		t.Error(err)
	}
	if all, err := s.Entries(); err != nil || !slices.ContainsFunc(all, func(e Entry) bool { return e.What == "w in words" }) {
		t.Errorf("got %+v, %v, want to know still what w is", all, err)
	}
	unlock()
	if removed, _ := s.prune(10000); removed != "g" {
		t.Errorf("removed %q, want the half folder of g", removed)
	}
}

// A source goes with the files beside it. Files that a work folder has in common with it
// are counted once.
func TestPruneSource(t *testing.T) {
	s := newShelf(t)
	s.put(Source, "b", 1000, 1)
	for _, ending := range []string{".contents", ".surveyed"} {
		if err := os.WriteFile(s.entry(Source, "b")+ending, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.put(Work, "w", 100, 2)
	if err := os.Link(filepath.Join(s.entry(Source, "b"), "deep", "file"), filepath.Join(s.entry(Work, "w"), "linked")); err != nil {
		t.Fatal(err)
	}
	all, err := s.Entries()
	if err != nil || len(all) != 2 || all[0].Bytes > 200e3 || all[1].Bytes < 1000e3 {
		t.Errorf("got %+v, %v, want less than 200 kB for w and 1 MB for b", all, err)
	}
	s.prune(0)
	if rest, err := os.ReadDir(filepath.Join(s.Dir, "base")); err != nil || len(rest) > 0 {
		t.Errorf("left: %v, %v", rest, err)
	}
}

// A size is counted once, and again when the entry was written to.
func TestSizeIsRemembered(t *testing.T) {
	s := newShelf(t)
	s.put(Work, "w", 100, 1)
	size := func() int64 {
		all, err := s.Entries()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].Bytes
	}
	was := size()
	if err := WriteFile(filepath.Join(s.entry(Work, "w"), "more"), make([]byte, 50000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(Work, "w", ""); err != nil {
		t.Fatal(err)
	}
	if now := size(); now != was {
		t.Errorf("%d bytes, want %d: it was only used", now, was)
	}
	if err := s.Wrote(Work, "w", ""); err != nil {
		t.Fatal(err)
	}
	if now := size(); now < was+50000 {
		t.Errorf("%d bytes, want 50000 more than %d", now, was)
	}
}

// A folder without permissions, which a makefile can leave, is no obstacle. Root can remove
// one anyway, so root's test is done by a process of another user.
func TestRemoveAllOfClosedFolder(t *testing.T) {
	const closed = "CACHE_TEST_CLOSED"
	if dir := os.Getenv(closed); dir != "" {
		if err := RemoveAll(dir); err != nil {
			t.Error(err)
		}
		return
	}
	top, err := os.MkdirTemp("", "cache-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir := filepath.Join(top, "x")
	if err := WriteFile(filepath.Join(dir, "closed", "in", "file"), nil); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), closed+"="+dir)
	const nobody = 65534
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		for _, path := range []string{top, dir, filepath.Join(dir, "closed"), filepath.Join(dir, "closed", "in")} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
}
