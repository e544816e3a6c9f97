// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/work"
)

// Spec is everything that a kernel is made of.
type Spec struct {
	Tree   Tree
	Config kconfig.Config
	Make   kbuild.MakeVars // variables that the user adds to make's command line
	Log    string          // path that the log of make goes to; empty: kept in the cache only

	// Prebuilt is a folder in which the user has built the kernel of Tree, whose series has
	// no patches. It is empty if Build is to build.
	Prebuilt string

	// Coverage has the sources that the series touches count how often each of
	// their lines runs. Config must have CONFIG_GCOV_KERNEL then.
	Coverage bool

	// Profile are further sources that count. Those that the tree lacks are left out.
	Profile []string

	// NeedDebug says that the file Image.Debug has to be there, which else can be in the store
	// alone. If it cannot be had, the kernel is built.
	NeedDebug bool

	// Share says that the kernel may be put into the store for other machines: it is made of code
	// that their users trust. Build puts no kernel there that is made of anything else than a base
	// with a digest, patches and the usual make.
	Share bool
}

// recipe is raised when this package changes what it makes of equal inputs.
const recipe = "4"

// about says for a person what is built.
func (s Spec) about() string {
	var config []string
	for _, o := range s.Config.Options {
		if name := strings.TrimSuffix(filepath.Base(o.File), ".config"); !slices.Contains(config, name) {
			config = append(config, name)
		}
	}
	if start := s.Config.Start; start != nil {
		config = append(config, "on "+start.File)
	}
	config = append(config, s.Make...)
	from := ""
	if s.foreign() != "" {
		from = " (from elsewhere)"
	}
	return fmt.Sprintf("%s%s on linux-%s, %s", s.Tree.Series.Name, from, s.Tree.Base.Version, strings.Join(config, "+"))
}

// workKey names the folder in which builds of one series follow each other, so
// that a changed patch costs what make needs for it and no more. It is the same
// in every checkout: a fresh clone goes on where the last one was. It is also the same
// for all states of one git tree: the tree as it stands and a range of its commits have
// nearly all files in common, and materialise leaves those alone. A series from elsewhere
// has a folder that no other series is built in.
func (s Spec) workKey() string {
	parts := []string{s.place(), s.Tree.Series.Name}
	switch {
	case s.foreign() != "":
		parts = []string{s.place(), "the work of others", s.foreign()}
	case s.Tree.Series.InTree:
		parts[1] = "the tree itself"
	}
	for _, o := range s.Config.Options {
		if name := filepath.Base(o.File); !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	if start := s.Config.Start; start != nil {
		parts = append(parts, "on top of "+start.File)
	}
	return cache.Digest(append(parts, s.Make...)...)[:16]
}

// place is where the base is: states of one git tree have one place.
func (s Spec) place() string { return cmp.Or(s.Tree.Base.Tree, s.Tree.Base.Dir) }

// foreign is the series' Foreign. It is empty if the series changes nothing that the build reads: then it
// is the base that is built.
func (s Spec) foreign() string {
	if !slices.ContainsFunc(s.Tree.Touched(), readByBuild) {
		return ""
	}
	return s.Tree.Series.Foreign
}

// begin is a build of which nothing is done yet.
func (s Spec) begin(ctx context.Context, h host.Host) (*build, error) {
	tools, err := s.Make.Toolchain(ctx)
	if err != nil {
		return nil, err
	}
	toolchain := tools.Versions
	script, err := s.Tree.Read(kbuild.MinimumFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := kbuild.TooOld(s.Tree.Base.Version, toolchain, script); err != nil {
		return nil, err
	}
	b := &build{Spec: s, toolchain: toolchain, profiled: s.counting()}
	b.Folder = work.Folder{
		Host: h, Dir: filepath.Join(h.Cache.Dir, "work", s.workKey()), Base: s.Tree.Base, Series: s.Tree.Series.Name, About: s.about(),
		Makes: work.Objects{
			Inputs: s.inputs(toolchain, b.profiled), Others: s.foreign(), Place: s.place(), Base: s.Tree.Base.ID, Over: s.Tree.over.stamps(),
			Tools:    cache.Digest(append([]string{toolchain}, s.Make...)...),
			Requests: strings.Split(string(s.Config.Bytes()), "\n"),
		},
	}
	b.tools = tools
	b.defined = sync.OnceValues(b.symbols)
	return b, nil
}

// symbols returns which symbols the tree defines, of those at least that options depend on. A kernel
// in the cache knows them, and the Kconfig files need not be read.
func (b *build) symbols() (map[string]bool, error) {
	var image Image
	if cache.ReadSealed(filepath.Join(b.entry(), "image.json"), &image) != nil || image.Undefined == nil {
		return kconfig.Defined(b.Tree.Read)
	}
	return b.Config.DefinedBut(image.Undefined), nil
}

// inputs returns the digest of all that the kernel is made of. profiled are the sources
// whose objects are to count.
func (s Spec) inputs(toolchain string, profiled []string) string {
	parts := []string{recipe, s.Tree.Base.ID, s.Tree.over.digest(), string(s.Config.Bytes()), toolchain, strings.Join(kbuild.Env, "\n")}
	parts = slices.Concat(parts, s.Make.DebugArgs(s.Tree.sources()), kbuild.ProfileArgs(profiled))
	return cache.Digest(append(parts, s.Make...)...)
}
