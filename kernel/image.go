// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
)

// Image is a kernel that was built. Its files are in the cache, and nobody may change
// them. Build returns it.
type Image struct {
	Vmlinux string `json:"-"` // path of an ELF file, which QEMU boots through PVH
	Config  string `json:"-"` // path of the .config that it was built with

	Base          string   `json:"base"`           // version of the base
	Release       string   `json:"release"`        // what uname -r prints
	BuildID       string   `json:"build_id"`       // GNU build ID, in hex
	VmlinuxSHA256 string   `json:"vmlinux_sha256"` // checked on every use
	ConfigSHA256  string   `json:"config_sha256"`  // checked on every use
	Warnings      []string `json:"warnings"`       // compiler warnings, as printed
	DebugSHA256   string   `json:"debug_sha256"`   // of the file Debug(); debuginfo.Decode checks it

	// Undefined are the symbols that options depend on (see kconfig.Option.IfDefined) and that the
	// tree does not define. It is nil if the image is of an older vmtest, which did not store them.
	Undefined []string `json:"undefined"`

	// Profiled are the sources that were compiled with counters, with the SHA-256 of
	// the compiler's notes on each. Package coverage checks it. It is nil for a kernel
	// that does not count.
	Profiled map[string]string `json:"profiled,omitempty"`

	Cached  bool     `json:"-"` // nothing was built
	From    string   `json:"-"` // the store that the image came from; "": it was built here
	Fetched bool     `json:"-"` // it came from there now
	LeftOut []string `json:"-"` // options that were not requested from this tree, or that it has otherwise; set even if Build fails
	shared  bool     // see Shared
}

// Debug returns the path of vmlinux with its debug information. It is a file of its own,
// so that QEMU does not load it and not every run verifies it. If the image came from a store,
// the file is there after FetchDebug.
func (i Image) Debug() string { return i.Vmlinux + ".debug" }

// HZ returns CONFIG_HZ, the timer ticks per second. It returns 0 if the configuration
// does not set it.
func (i Image) HZ() (int, error) {
	value, err := i.option("CONFIG_HZ")
	if value == "" || err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// CPUs returns CONFIG_NR_CPUS, the number of CPUs that the kernel can use. It returns 0 if the
// configuration does not set it.
func (i Image) CPUs() (int, error) {
	value, err := i.option("CONFIG_NR_CPUS")
	if value == "" || err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// Checked reports whether the kernel looks for its own faults, which makes it several
// times slower. It is taken for such a kernel if it has CONFIG_LOCKDEP.
func (i Image) Checked() (bool, error) {
	value, err := i.option("CONFIG_LOCKDEP")
	return value == "y", err
}

// Tiny reports whether the kernel has SLUB_TINY, an allocator whose structures crash does not know.
func (i Image) Tiny() (bool, error) {
	value, err := i.option("CONFIG_SLUB_TINY")
	return value == "y", err
}

// option returns the value of an option of the configuration, or "" if it is not set.
func (i Image) option(name string) (string, error) {
	text, err := os.ReadFile(i.Config)
	return kconfig.Values(text)[name], err
}

// Forget deletes the image and all its files from the cache.
func (i Image) Forget() error { return os.RemoveAll(filepath.Dir(i.Vmlinux)) }

// store copies the files that make left into the cache. The entry gets its final name
// when it is whole.
func (b *build) store(ctx context.Context, entry string) error {
	defined, err := b.defined()
	if err != nil {
		return err
	}
	image := Image{Base: b.Tree.Base.Version, Undefined: b.Config.Undefined(defined)}
	release, err := sandbox.ReadMade(b.Out(), "include/config/kernel.release")
	if err != nil {
		return err
	}
	image.Release = strings.TrimSpace(string(release))
	tmp, err := cache.Scratch(filepath.Dir(entry), filepath.Base(entry))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := errors.Join(
		sandbox.CopyMade(b.Out(), "vmlinux", filepath.Join(tmp, debugFile)),
		sandbox.CopyMade(b.Out(), ".config", filepath.Join(tmp, "config")),
		cache.CopyFile(b.log(), filepath.Join(tmp, "build.log")),
	); err != nil {
		return err
	}
	if image.DebugSHA256, err = cache.HashFile(filepath.Join(tmp, debugFile)); err != nil {
		return err
	}
	if image.Profiled, err = b.keepNotes(tmp); err != nil {
		return err
	}
	log, err := os.ReadFile(b.log())
	if err != nil {
		return err
	}
	image.Warnings = kbuild.CompilerWarnings(log, b.Src())
	return image.seal(ctx, b.Sandbox, tmp, entry)
}

// seal makes a cache entry of the folder tmp, which has the files vmlinux.debug, config and
// build.log. It adds vmlinux without debug information, and what identifies the files.
func (i Image) seal(ctx context.Context, box sandbox.Box, tmp, entry string) (err error) {
	i.Vmlinux = filepath.Join(tmp, "vmlinux")
	if _, err := box.Run(ctx, sandbox.Place{Dir: tmp, Writable: []string{tmp}}, "objcopy", "--strip-debug", i.Debug(), i.Vmlinux); err != nil {
		return err
	}
	if i.BuildID, err = buildID(i.Vmlinux); err != nil {
		return err
	}
	if i.VmlinuxSHA256, err = cache.HashFile(i.Vmlinux); err != nil {
		return err
	}
	if i.ConfigSHA256, err = cache.HashFile(filepath.Join(tmp, "config")); err != nil {
		return err
	}
	if err := cache.WriteSealed(filepath.Join(tmp, "image.json"), i); err != nil {
		return err
	}
	// An entry that lacks its debug information is replaced.
	return errors.Join(os.RemoveAll(entry), os.Rename(tmp, entry))
}

// Open reads an entry of the cache, which is a folder, and verifies its files.
func Open(entry string) (Image, error) {
	if _, err := os.Stat(entry); err != nil {
		return Image{}, err
	}
	var image Image
	if err := cache.ReadSealed(filepath.Join(entry, "image.json"), &image); err != nil {
		return Image{}, fmt.Errorf("%v", err) // without fs.ErrNotExist in it: the entry exists, only a file in it is missing
	}
	image.Vmlinux = filepath.Join(entry, "vmlinux")
	image.Config = filepath.Join(entry, "config")
	for path, want := range map[string]string{image.Vmlinux: image.VmlinuxSHA256, image.Config: image.ConfigSHA256} {
		got, err := cache.HashFile(path)
		if err != nil {
			return Image{}, fmt.Errorf("%s cannot be read", path)
		}
		if got != want {
			return Image{}, fmt.Errorf("%s has SHA-256 %s, not %s", path, got, want)
		}
	}
	from, err := originOf(entry)
	image.From = from.Store
	return image, err
}

// buildID reads the GNU build ID note of an ELF file.
func buildID(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, err := io.ReadAll(p.Open())
		if err != nil {
			return "", err
		}
		if id := wire.GNUBuildID(notes); id != nil {
			return hex.EncodeToString(id), nil
		}
	}
	return "", fmt.Errorf("%s has no GNU build ID", path)
}
