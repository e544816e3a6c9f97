package kernel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// DefaultPackage is the Debian package whose kernel is the base of the series
// that this project carries.
const DefaultPackage = "linux-source-6.12"

// Source says where the base comes from: one of three places. The zero value
// is DefaultPackage.
type Source struct {
	Package string // a Debian package with /usr/src/<name>.tar.xz

	URL    string // a tarball, http(s) or file
	SHA256 string // its digest in hex; required with URL

	Tree   string // a kernel checkout, taken as it stands and never written to
	Commit string // of the git tree Tree: it is not taken as it stands, but as it was committed there
}

// Base is a kernel source tree on disk.
type Base struct {
	Dir     string
	Version string // of its Makefile, such as "6.12.117"
	ID      string // equal IDs are equal contents
	Origin  string // where it is from, for a person
	private bool   // in the cache and never edited, so files may be hard-linked
}

// Fetch makes the base available, from the cache where it can.
func (s Source) Fetch(ctx context.Context, c Cache, r Reporter) (Base, error) {
	switch {
	case s.Tree != "" && (s.URL != "" || s.Package != ""), s.URL != "" && s.Package != "":
		return Base{}, &UsageError{errors.New("a base has one source: a tree, a tarball or a package")}
	case s.Commit != "":
		return s.fetchCommit(ctx, c, r)
	case s.Tree != "":
		return openTree(ctx, s.Tree, r)
	case s.URL != "":
		return s.fetchTarball(ctx, c, r)
	}
	return s.fetchPackage(ctx, c, r)
}

// openTree checks that dir is a kernel tree. What is in it is looked at when
// it is copied.
func openTree(ctx context.Context, dir string, r Reporter) (Base, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Base{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // what is linked to is what the sandbox shows
		dir = real
	}
	version, err := treeVersion(dir)
	if err != nil {
		return Base{}, &UsageError{fmt.Errorf("-tree %s is no kernel source tree: %w", dir, err)}
	}
	base := Base{Dir: dir, Version: version, Origin: "a folder"}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return base, nil
	}
	commit, err := gitLine(ctx, dir, "rev-parse", "--verify", "--quiet", "--short=12", "HEAD")
	if err != nil {
		return base, nil // nothing was ever committed
	}
	base.Origin = "commit " + commit
	changed, err := run(git(ctx, dir, "--no-optional-locks", "status", "--porcelain"))
	if n := bytes.Count(changed, []byte("\n")); n > 0 {
		first, _, _ := bytes.Cut(changed[3:], []byte("\n"))
		base.Origin += fmt.Sprintf(" with changes that are not committed (files: %d, the first is %s)", n, first)
		r.Step("%s is tested as it stands: %s", dir, base.Origin)
	}
	return base, err
}

// fetchCommit checks a commit out into the cache.
func (s Source) fetchCommit(ctx context.Context, c Cache, r Reporter) (Base, error) {
	dir, err := filepath.Abs(s.Tree)
	if err != nil {
		return Base{}, err
	}
	id, err := gitLine(ctx, dir, "rev-parse", s.Commit+"^{tree}")
	if err != nil {
		return Base{}, err
	}
	return c.base(ctx, id, "commit "+s.Commit[:12], r, func(tmp string) error {
		r.Step("check out %.12s of %s", s.Commit, dir)
		return checkOut(ctx, dir, s.Commit, filepath.Join(tmp, "tree"))
	})
}

var versionRE = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(.*)$`)

// treeVersion reads the version from the top of a kernel's Makefile.
func treeVersion(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return "", err
	}
	part := make(map[string]string)
	for _, m := range versionRE.FindAllStringSubmatch(string(text), -1) {
		if _, ok := part[m[1]]; !ok {
			part[m[1]] = strings.TrimSpace(m[2])
		}
	}
	if part["VERSION"] == "" || part["PATCHLEVEL"] == "" {
		return "", errors.New("its Makefile has no VERSION and PATCHLEVEL")
	}
	version := part["VERSION"] + "." + part["PATCHLEVEL"]
	if part["SUBLEVEL"] != "" {
		version += "." + part["SUBLEVEL"]
	}
	return version + part["EXTRAVERSION"], nil
}

// fetchTarball downloads, verifies and unpacks a tarball.
func (s Source) fetchTarball(ctx context.Context, c Cache, r Reporter) (Base, error) {
	want := strings.ToLower(s.SHA256)
	if len(want) != 2*sha256.Size || strings.Trim(want, "0123456789abcdef") != "" {
		return Base{}, &UsageError{fmt.Errorf("-tarball needs -sha256 with the 64 hex digits of its digest, got %q", s.SHA256)}
	}
	return c.base(ctx, want, s.URL, r, func(tmp string) error {
		file := filepath.Join(tmp, path.Base(s.URL))
		r.Step("fetch %s", s.URL)
		if err := download(ctx, s.URL, file); err != nil {
			return err
		}
		got, err := hashFile(file)
		if err != nil {
			return err
		}
		if got != want {
			return &UsageError{fmt.Errorf("%s has SHA-256 %s, not %s", s.URL, got, want)}
		}
		return unpack(ctx, file, r)
	})
}

func download(ctx context.Context, url, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	var in io.ReadCloser
	if name, ok := strings.CutPrefix(url, "file://"); ok {
		in, err = os.Open(name)
	} else {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err != nil {
			return &UsageError{fmt.Errorf("-tarball: %w", err)}
		}
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			in = resp.Body
			if resp.StatusCode != http.StatusOK {
				err = errors.Join(fmt.Errorf("fetch %s: %s", url, resp.Status), in.Close())
			}
		}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	return out.Close()
}

// deb is what apt knows of the newest version of a package.
type deb struct {
	File   string    // such as linux-source-6.12_6.12.117-1~deb12u1_all.deb
	SHA256 string    // of the package
	Lists  time.Time // modification time of apt's lists when it was asked
}

const aptLists = "/var/lib/apt/lists"

// fetchPackage downloads a source package by apt, which verifies it, and
// unpacks it without installing.
func (s Source) fetchPackage(ctx context.Context, c Cache, r Reporter) (Base, error) {
	pkg := s.Package
	if pkg == "" {
		pkg = DefaultPackage
	}
	newest, err := c.askApt(ctx, pkg)
	if err != nil {
		return Base{}, err
	}
	origin := "Debian's " + strings.ReplaceAll(strings.TrimSuffix(newest.File, "_all.deb"), "_", " ")
	return c.base(ctx, newest.SHA256, origin, r, func(tmp string) error {
		r.Step("fetch %s by apt-get download", strings.TrimSuffix(newest.File, "_all.deb"))
		if _, err := run(aptGet(ctx, tmp, "download", pkg)); err != nil {
			return fmt.Errorf("%w\napt's lists may be old: type \"sudo apt-get update\" and try again", err)
		}
		file := filepath.Join(tmp, newest.File)
		if got, err := hashFile(file); err != nil {
			return err
		} else if got != newest.SHA256 {
			return fmt.Errorf("%s has SHA-256 %s, apt's lists say %s; type \"sudo apt-get update\"", newest.File, got, newest.SHA256)
		}
		if _, err := run(command(ctx, tmp, nil, "dpkg-deb", "-x", file, tmp)); err != nil {
			return err
		}
		return unpack(ctx, filepath.Join(tmp, "usr/src", pkg+".tar.xz"), r)
	})
}

func aptGet(ctx context.Context, dir string, args ...string) *exec.Cmd {
	args = append([]string{"-q"}, args...)
	if os.Geteuid() == 0 { // the user _apt cannot write to a private cache folder
		args = append([]string{"-o", "APT::Sandbox::User=root"}, args...)
	}
	return command(ctx, dir, nil, "apt-get", args...)
}

var printURIs = regexp.MustCompile(`(?m)^'[^']*' (\S+\.deb) \d+ SHA256:([0-9a-f]{64})`)

// askApt finds the newest version of pkg. The question takes a second, so the
// answer is kept for as long as apt's lists do not change.
func (c Cache) askApt(ctx context.Context, pkg string) (deb, error) {
	lists, err := os.Stat(aptLists)
	if errors.Is(err, fs.ErrNotExist) {
		return deb{}, fmt.Errorf("the default base comes from Debian's package %s, and this system has no apt; pass -tree DIR, or -tarball URL -sha256 SUM", pkg)
	}
	if err != nil {
		return deb{}, err
	}
	memory := filepath.Join(c.Dir, "base", pkg+".json")
	var d deb
	if readSealed(memory, &d) == nil && d.Lists.Equal(lists.ModTime()) {
		return d, nil
	}
	out, err := run(aptGet(ctx, "", "download", "--print-uris", pkg))
	if err != nil {
		return deb{}, fmt.Errorf("ask apt for %s: %w\ntype \"sudo apt-get update\" and try again", pkg, err)
	}
	m := printURIs.FindSubmatch(out)
	if m == nil {
		return deb{}, fmt.Errorf("ask apt for %s: no address with a SHA-256 in its answer %q", pkg, out)
	}
	d = deb{File: string(m[1]), SHA256: string(m[2]), Lists: lists.ModTime()}
	return d, writeSealed(memory, d)
}

// unpack unpacks a tarball beside itself into the folder "tree".
func unpack(ctx context.Context, file string, r Reporter) error {
	r.Step("unpack %s", filepath.Base(file))
	dir := filepath.Join(filepath.Dir(file), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	_, err := run(command(ctx, dir, nil, "tar", "-x", "--strip-components=1", "--no-same-owner", "-f", file))
	return err
}

// base returns the unpacked base with this digest, making it by fetch if it is
// not there. fetch works in a temporary folder and leaves one folder "tree"
// somewhere below it.
func (c Cache) base(ctx context.Context, digest, origin string, r Reporter, fetch func(tmp string) error) (Base, error) {
	name := digest[:20]
	dir := filepath.Join(c.Dir, "base", name)
	unlock, err := c.Lock(ctx, "base-"+name, "this kernel's source", r)
	if err != nil {
		return Base{}, err
	}
	defer unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		tmp, err := scratch(filepath.Dir(dir), filepath.Base(dir))
		if err != nil {
			return Base{}, err
		}
		defer os.RemoveAll(tmp)
		if err := fetch(tmp); err != nil {
			return Base{}, err
		}
		tree, err := findTree(tmp)
		if err != nil {
			return Base{}, err
		}
		if err := seal(ctx, tree, dir); err != nil {
			return Base{}, err
		}
		if err := os.Rename(tree, dir); err != nil {
			return Base{}, err
		}
	} else if err != nil {
		return Base{}, err
	}
	version, err := treeVersion(dir)
	if err != nil {
		return Base{}, fmt.Errorf("%s is no kernel source: %w; delete it to have it fetched again", dir, err)
	}
	return Base{Dir: dir, Version: version, ID: digest, Origin: origin, private: true}, nil
}

func findTree(tmp string) (string, error) {
	for _, dir := range []string{"tree", "usr/src/tree"} {
		if _, err := os.Stat(filepath.Join(tmp, dir)); err == nil {
			return filepath.Join(tmp, dir), nil
		}
	}
	return "", errors.New("the archive held no tree")
}

// scratch makes a folder for what will be named name when it is whole. The
// caller holds a lock for that name, so what is there was left by a vmtest that
// was killed.
func scratch(dir, name string) (string, error) {
	tmp := filepath.Join(dir, "tmp-"+name)
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	return tmp, os.MkdirAll(tmp, 0o755)
}

// writeSealed is writeJSON with a digest behind the value.
func writeSealed(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, fmt.Appendf(text, "\n%s\n", digest(string(text))))
}

// readSealed reads what writeSealed wrote, and nothing else.
func readSealed(path string, into any) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, seal, _ := bytes.Cut(sealed, []byte("\n}\n"))
	text = append(text, "\n}"...)
	if string(seal) != digest(string(text))+"\n" {
		return fmt.Errorf("%s is not as it was written", path)
	}
	return json.Unmarshal(text, into)
}

// writeJSON writes a file that readers see whole or not at all.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// writeFile is os.WriteFile by way of a temporary name.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(text); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // lengths keep the parts apart
	}
	return hex.EncodeToString(h.Sum(nil))
}
