// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/cache"
	"timens-vmtest/kernel"
)

// Which tests are planned and how long each may take depends on the options of the kernel. They are
// lines of its .config.

// options returns the options as far as they are known before there is a kernel. Those of a kernel that
// the user has built are all known.
func (r Request) options() ([]string, error) {
	if r.Prebuilt == "" {
		return r.Config.Lines(), nil
	}
	text, err := cache.ReadRegular(filepath.Join(r.Prebuilt, ".config"))
	return strings.Split(string(text), "\n"), err
}

// optionsOf returns the options of a kernel. A kernel that begins with tinyconfig counts as one that has what
// is requested.
func (r Request) optionsOf(image kernel.Image) ([]string, error) {
	if r.Prebuilt == "" && r.Config.Start == nil {
		return r.Config.Lines(), nil
	}
	text, err := os.ReadFile(image.Config)
	return strings.Split(string(text), "\n"), err
}

// checksItself reports whether a kernel with these options is several times slower because it looks for its own
// faults. PROVE_LOCKING selects LOCKDEP.
func checksItself(options []string) bool {
	return slices.Contains(options, "CONFIG_PROVE_LOCKING=y") || slices.Contains(options, "CONFIG_LOCKDEP=y")
}

// corrected returns an archive for the kernel that was built. Kconfig may have made something else of the
// user's .config than was known when the archive was built from its spec.
func (r *runner) corrected(ctx context.Context, archive initramfs.Archive, spec initramfs.Spec, image kernel.Image) (initramfs.Archive, error) {
	if r.Config.Start == nil {
		return archive, nil
	}
	options, err := r.optionsOf(image)
	if err != nil {
		return archive, err
	}
	now := r.archiveSpec(spec.Design, options)
	now.Key, now.Files, now.Flags = spec.Key, spec.Files, spec.Flags
	before, err := spec.Plan()
	if err != nil {
		return archive, err
	}
	after, err := now.Plan()
	if err != nil || reflect.DeepEqual(before, after) {
		return archive, err
	}
	r.Report.Step("the kernel has other options than %s: the tests are planned again", r.Config.Start.File)
	return buildArchive(ctx, r.Host, now)
}
