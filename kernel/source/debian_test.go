// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
)

// fakeApt plays apt-get and apt-cache. Its lists are a folder of files SUITE, with lines
// "PACKAGE VERSION"; the machine's own are the file "machine". A file "unreachable" has
// the suites that cannot be reached. Packages are files PACKAGE_VERSION_all.deb.
const fakeApt = `#!/bin/sh
world=%s
suite=machine
for arg; do
	case $arg in
	Dir::Etc::sourcelist=*) suite=$(cut -d' ' -f4 "${arg#*=}") ;;
	esac
done
echo "$suite $*" >>"$world/asked"
while [ $# -gt 0 ]; do
	case $1 in
	-o) shift 2 ;;
	-*) shift ;;
	*) break ;;
	esac
done
verb=$1
shift
case $verb in
indextargets) echo "mirror stable" ;;
update)
	! grep -qx "$suite" "$world/unreachable" || { echo "E: unable to connect" >&2; exit 100; } ;;
pkgnames) cut -d' ' -f1 "$world/$suite" ;;
madison) grep "^$1 " "$world/$suite" | sed 's/ / | /; s/$/ | main/' ;;
download)
	uris=
	[ "$1" != --print-uris ] || { uris=yes; shift; }
	pkg=${1%%=*} version=${1#*=}
	[ "$version" != "$1" ] || version=$(grep "^$pkg " "$world/$suite" | head -n1 | cut -d' ' -f2)
	file=${pkg}_${version}_all.deb
	if [ -n "$uris" ]; then
		echo "'mirror/$file' $file 1 SHA256:$(sha256sum <"$world/$file" | cut -d' ' -f1)"
	else
		cp "$world/$file" .
	fi ;;
esac
exit 0
`

// aptWorld puts a fake apt first on PATH. Its file "keyring" stands for the machine's.
func aptWorld(t *testing.T, files map[string]string) string {
	t.Helper()
	world := hosttest.Folder(t, files)
	write(t, filepath.Join(world, "keyring"), "")
	bin := t.TempDir()
	for _, name := range []string{"apt-get", "apt-cache"} {
		if err := os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, fakeApt, world), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for _, name := range append([]string{"machine", "unreachable"}, suites...) {
		if _, err := os.Stat(filepath.Join(world, name)); err != nil {
			write(t, filepath.Join(world, name), "")
		}
	}
	return world
}

// named is Named with the keyring of a world.
func named(t *testing.T, world, name string) Spec {
	t.Helper()
	spec, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	spec.keyring = filepath.Join(world, "keyring")
	return spec
}

// pack makes a package with a kernel source of this version in a world.
func pack(t *testing.T, world, pkg, version string) {
	t.Helper()
	release := strings.Split(strings.TrimPrefix(pkg, sourcePrefix), ".")
	tree := hosttest.Folder(t, map[string]string{"linux/Makefile": fmt.Sprintf("VERSION = %s\nPATCHLEVEL = %s\nEXTRAVERSION = -%s\n", release[0], release[1], version)})
	deb := hosttest.Folder(t, map[string]string{"DEBIAN/control": fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: None <none@example.org>\nDescription: none\n", pkg, version)})
	src := filepath.Join(deb, "usr/src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]string{
		{"tar", "-C", tree, "-cJf", filepath.Join(src, pkg+".tar.xz"), "linux"},
		{"dpkg-deb", "--build", "--root-owner-group", deb, filepath.Join(world, pkg+"_"+version+"_all.deb")},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
}

// A package comes from the machine's lists or, if these do not have it, from another
// suite's. The newest package is the newest of all lists.
func TestFetchPackage(t *testing.T) {
	world := aptWorld(t, map[string]string{
		"machine":            "linux-source-6.12 1\n",
		"trixie-backports":   "linux-source-7.3 3\nlinux-source-7.3 2\nlinux-source-7.12 1\n",
		"bookworm-backports": "linux-source-6.12 9\n",
	})
	for _, p := range []string{"6.12 1", "6.12 9", "7.3 3", "7.3 2", "7.12 1"} {
		release, version, _ := strings.Cut(p, " ")
		pack(t, world, sourcePrefix+release, version)
	}
	h := hosttest.New(t)
	for name, want := range map[string]string{
		"6.12": "6.12-1", "7.3": "7.3-3", "newest": "7.12-1",
		"debian:linux-source-7.3=2": "7.3-2", "debian:linux-source-6.12=9": "6.12-9",
	} {
		if base, err := named(t, world, name).Fetch(t.Context(), h); err != nil || base.Version != want {
			t.Errorf("%s: got %s, %v, want %s", name, base.Version, err, want)
		}
	}
}

// Where a package lies is asked again only if a list has changed that has a say: the machine's,
// or one of the suites up to the one that has the package.
func TestFetchPackageAgain(t *testing.T) {
	world := aptWorld(t, map[string]string{"bookworm-backports": "linux-source-7.3 3\n"})
	for _, version := range []string{"3", "4", "5"} {
		pack(t, world, "linux-source-7.3", version)
	}
	h := hosttest.New(t)
	fetch := func(want string) (asked string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(world, "asked")); err != nil {
			t.Fatal(err)
		}
		if base, err := named(t, world, "7.3").Fetch(t.Context(), h); err != nil || base.Version != want {
			t.Errorf("got %s, %v, want %s", base.Version, err, want)
		}
		text, err := os.ReadFile(filepath.Join(world, "asked"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	fetch("7.3-3")
	if asked := fetch("7.3-3"); asked != "" {
		t.Errorf("the second time apt was asked:\n%s", asked)
	}
	old := time.Now().Add(-2 * listsAge)
	for i, name := range []string{"bookworm-backports", "trixie-backports"} { // the second one comes before the first
		version := strconv.Itoa(4 + i)
		write(t, filepath.Join(world, name), "linux-source-7.3 "+version+"\n")
		if err := os.Chtimes(filepath.Join(h.Cache.Dir, "apt", name, "fetched"), old, old); err != nil {
			t.Fatal(err)
		}
		if asked := fetch("7.3-" + version); !strings.Contains(asked, name+" ") {
			t.Errorf("the lists of %s were old, and apt was asked:\n%s", name, asked)
		}
	}
	if asked := fetch("7.3-5"); asked != "" {
		t.Errorf("at last apt was asked:\n%s", asked)
	}
}

// The newest source is that of the latest release in all lists, and its latest version in dpkg's
// order, whichever list has it. If a suite cannot be asked, that is said, and what the cache has
// counts as well. If none can be asked, only that counts.
func TestFetchNewest(t *testing.T) {
	all := strings.Join(suites, "\n") + "\n"
	for name, tc := range map[string]struct {
		lists  map[string]string
		cached string // fetched before from the machine's lists: PACKAGE VERSION
		want   string // version, or part of the error
		said   string
	}{
		"a later version in a later suite": {map[string]string{"machine": "linux-source-6.12 6.12.9-1\n", "trixie-backports": "linux-source-7.3 7.3.4-1~bpo13+1\n", "sid": "linux-source-7.3 7.3.9-1\n"},
			"", "7.3-7.3.9-1", "the newest source is linux-source-7.3_7.3.9-1, from Debian sid"},
		"an earlier version in a later suite": {map[string]string{"trixie-backports": "linux-source-7.3 7.3.10-1\n", "sid": "linux-source-7.3 7.3.9-1\nlinux-source-6.12 6.12.99-1\n"},
			"", "7.3-7.3.10-1", "the newest source is linux-source-7.3_7.3.10-1, from Debian trixie-backports"},
		"a suite that cannot be asked": {map[string]string{"machine": "linux-source-6.12 6.12.9-1\n", "trixie-backports": "linux-source-7.3 7.3.4-1\n", "sid": "linux-source-7.4 7.4-1\n", "unreachable": "sid\n"},
			"linux-source-6.12 6.12.9-1", "7.3-7.3.4-1", "Debian sid cannot be asked for the newest source: fetch the lists of Debian sid: |the newest source that can be had is linux-source-7.3_7.3.4-1, from Debian trixie-backports"},
		"a newer one in the cache": {map[string]string{"trixie-backports": "linux-source-7.3 7.3.4-1\n", "unreachable": "sid\n"},
			"linux-source-7.3 7.3.10-1", "7.3-7.3.10-1", "the newest source that can be had is linux-source-7.3_7.3.10-1, which is in the cache"},
		"a newer one in the cache that no list has": {map[string]string{"trixie-backports": "linux-source-7.3 7.3.4-1\n"},
			"linux-source-7.3 7.3.10-1", "7.3-7.3.4-1", "the newest source is linux-source-7.3_7.3.4-1, from Debian trixie-backports"},
		"no suite": {map[string]string{"machine": "linux-source-7.4 7.4-1\n", "unreachable": all},
			"linux-source-7.3 7.3.4-1", "7.3-7.3.4-1", "Debian trixie-backports, Debian bookworm-backports, Debian sid cannot be asked|which is in the cache"},
		"neither a suite nor the cache": {map[string]string{"machine": "linux-source-7.4 7.4-1\n", "unreachable": all},
			"", "the newest source cannot be found, and the cache has none; name a base, such as -base 6.12: fetch the lists of Debian trixie-backports: ", ""},
		"no package": {nil, "", "no list of Debian has a package linux-source-N.N", ""},
	} {
		t.Run(name, func(t *testing.T) {
			world := aptWorld(t, tc.lists)
			h := hosttest.New(t)
			for list, lines := range tc.lists {
				for line := range strings.Lines(lines) {
					if pkg, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok && list != "unreachable" {
						pack(t, world, pkg, version)
					}
				}
			}
			if pkg, version, ok := strings.Cut(tc.cached, " "); ok {
				pack(t, world, pkg, version)
				write(t, filepath.Join(world, "machine"), tc.cached+"\n")
				if _, err := named(t, world, "debian:"+pkg+"="+version).Fetch(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(world, "machine"), tc.lists["machine"])
			}
			var said hosttest.Steps
			h.Report = &said
			base, err := named(t, world, Newest).Fetch(t.Context(), h)
			if err != nil {
				if blame.Of(err) != blame.Host || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				return
			}
			if base.Version != tc.want {
				t.Errorf("got %s, want %s", base.Version, tc.want)
			}
			for want := range strings.SplitSeq(tc.said, "|") {
				if !said.Said(want) {
					t.Errorf("said %q, want %q", said, want)
				}
			}
		})
	}
}

// Without the keyring no list of a suite is fetched, and the message says what to install. With it,
// apt is told to verify by it.
func TestFetchWithoutKeyring(t *testing.T) {
	world := aptWorld(t, map[string]string{"trixie-backports": "linux-source-7.3 3\n"})
	pack(t, world, "linux-source-7.3", "3")
	h, spec := hosttest.New(t), named(t, world, "7.3")
	if err := os.Remove(spec.keyring); err != nil {
		t.Fatal(err)
	}
	base, err := spec.Fetch(t.Context(), h)
	if want := spec.keyring + " is missing; install Debian's package debian-archive-keyring"; blame.Of(err) != blame.Host || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got linux-%s, %v, want %q", base.Version, err, want)
	}
	if asked, err := os.ReadFile(filepath.Join(world, "asked")); err != nil || strings.Contains(string(asked), "update") {
		t.Errorf("asked apt, %v:\n%s", err, asked)
	}
	write(t, spec.keyring, "")
	if _, err := spec.Fetch(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	sources, err := os.ReadFile(filepath.Join(h.Cache.Dir, "apt/trixie-backports/sources.list"))
	if want := "deb [signed-by=" + spec.keyring + "] mirror trixie-backports main\n"; err != nil || string(sources) != want {
		t.Errorf("sources.list is %q, %v, want %q", sources, err, want)
	}
}

// A package that mirrors have dropped stays in the cache. A package that never existed is
// the user's fault, and the message names those that exist. If no list can be reached, the
// host is at fault.
func TestFetchPackageThatIsGone(t *testing.T) {
	world := aptWorld(t, map[string]string{"trixie-backports": "linux-source-7.3 3\n"})
	pack(t, world, "linux-source-7.3", "3")
	h := hosttest.New(t)
	spec := named(t, world, "7.3")
	if _, err := spec.Fetch(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(world, "trixie-backports"), "linux-source-7.4 1\n")
	for name, want := range map[string]struct {
		party blame.Party
		text  string
	}{
		"7.2":                       {blame.User, "Debian trixie-backports has linux-source-7.4"},
		"debian:linux-source-7.4=9": {blame.User, "no package linux-source-7.4=9"},
	} {
		if base, err := named(t, world, name).Fetch(t.Context(), h); blame.Of(err) != want.party || err == nil || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: got %s, %v, want %q", name, base.Version, err, want.text)
		}
	}
	if base, err := spec.Fetch(t.Context(), h); err != nil || base.Version != "7.3-3" {
		t.Errorf("what was fetched before: got %s, %v", base.Version, err)
	}
	write(t, filepath.Join(world, "unreachable"), strings.Join(suites, "\n")+"\n")
	if err := os.RemoveAll(filepath.Join(h.Cache.Dir, "apt")); err != nil {
		t.Fatal(err)
	}
	if base, err := spec.Fetch(t.Context(), h); err != nil || base.Version != "7.3-3" {
		t.Errorf("without any list: got %s, %v", base.Version, err)
	}
	if base, err := named(t, world, "7.2").Fetch(t.Context(), h); err == nil || blame.Of(err) != blame.Host {
		t.Errorf("with suites that cannot be reached: got %s, %v, want an error that blames the host", base.Version, err)
	}
}

// The version of a package that was fetched without naming it can be named when the lists have
// only a newer one, as long as the cache has it.
func TestFetchVersionThatIsGone(t *testing.T) {
	world := aptWorld(t, map[string]string{"machine": "linux-source-6.12 1\n", "trixie-backports": "linux-source-7.3 3\n"})
	pack(t, world, "linux-source-6.12", "1")
	pack(t, world, "linux-source-6.12", "2")
	pack(t, world, "linux-source-7.3", "3")
	h := hosttest.New(t)
	fetch := func(name string) (Base, error) {
		return named(t, world, name).Fetch(t.Context(), h)
	}
	for _, name := range []string{"6.12", Newest} {
		if _, err := fetch(name); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(world, "machine"), "linux-source-6.12 2\n")
	write(t, filepath.Join(world, "trixie-backports"), "linux-source-7.4 1\n")
	for _, part := range []string{"linux-source-6.12.json", "apt"} { // the machine's lists are new
		if err := os.RemoveAll(filepath.Join(h.Cache.Dir, "base", part)); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(h.Cache.Dir, part)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"6.12": "6.12-2", "debian:linux-source-6.12=1": "6.12-1", "debian:linux-source-7.3=3": "7.3-3"} {
		if base, err := fetch(name); err != nil || base.Version != want {
			t.Errorf("%s: got %s, %v, want %s", name, base.Version, err, want)
		}
	}
}

// A package is not unpacked if its digest differs from the one in the lists.
func TestFetchPackageVerifies(t *testing.T) {
	world := aptWorld(t, map[string]string{"machine": "linux-source-6.12 1\n"})
	pack(t, world, "linux-source-6.12", "1")
	h := hosttest.New(t)
	d, err := (Spec{}).find(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	d.SHA256 = strings.Repeat("0", 64)
	if err := cache.WriteSealed(filepath.Join(h.Cache.Dir, "base/linux-source-6.12.json"), d); err != nil {
		t.Fatal(err)
	}
	if base, err := (Spec{}).Fetch(t.Context(), h); err == nil || !strings.Contains(err.Error(), "apt's lists say 000") {
		t.Errorf("got %s, %v, want that the digest differs", base.Version, err)
	}
}
