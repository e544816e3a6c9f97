// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// Compiler compiles single sources of a kernel as make has compiled them, with other texts in the place of
// some files. It takes a second where make and the linker take a minute. It has a copy of the
// tree of its own, so other kernels can be built meanwhile.
type Compiler struct {
	// Key is another one if anything differs that objects are made of.
	Key string

	box      sandbox.Box
	dir      string // has src, the tree; and out, with what make has generated
	unlock   func()
	commands map[string]string // by source: what make has told the shell
	includes map[string]string // by source: the files that the compiler has read
	calls    atomic.Int64
}

// NewCompiler builds a kernel, unless that has been done, and returns a compiler of its sources.
// The caller has to close it.
func NewCompiler(ctx context.Context, h host.Host, s Spec) (*Compiler, error) {
	b, err := s.begin(ctx, h)
	if err != nil {
		return nil, err
	}
	leave, err := b.enterMade(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	// Each process has a copy of its own. Its lock tells all others that it is no leftover.
	name := fmt.Sprintf("compiler-%d", os.Getpid())
	unlock, err := h.Lock(ctx, "work-"+name, "the compiler of single sources")
	if err != nil {
		return nil, err
	}
	dir, err := cache.Scratch(filepath.Dir(b.Dir), name)
	if err != nil {
		unlock()
		return nil, err
	}
	c := &Compiler{Key: b.Makes.Inputs, box: h.Sandbox, dir: dir, unlock: unlock, commands: make(map[string]string), includes: make(map[string]string)}
	if err := errors.Join(os.Mkdir(c.out(), 0o755), b.copySource(ctx, dir), c.takeMade(b)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// copySource copies the tree to a folder. The files of a base in the cache have several links
// already, and nobody writes to them.
func (b *build) copySource(ctx context.Context, dir string) error {
	how := "--reflink=auto"
	if b.Tree.Base.Private {
		how = "--link"
	}
	_, err := sandbox.Run(sandbox.Command(ctx, "", nil, "cp", "-a", how, "--", b.Src(), dir))
	return err
}

// takeMade copies the headers that make has generated, and reads the commands that it ran.
func (c *Compiler) takeMade(b *build) error {
	paths := strings.NewReplacer(b.Seen(b.Src()), c.src(), b.Seen(b.Out()), c.out())
	return filepath.WalkDir(b.Out(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(b.Out(), path)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(name, ".h"):
			to := filepath.Join(c.out(), name)
			return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), sandbox.CopyMade(b.Out(), name, to))
		case strings.HasSuffix(name, ".o.cmd"):
			text, err := sandbox.ReadMade(b.Out(), name)
			if err != nil {
				return err
			}
			first, rest, _ := strings.Cut(string(text), "\n")
			_, command, _ := strings.Cut(first, " := ")
			command = ccacheRE.ReplaceAllString(command, "") // each text is compiled once, so ccache has no use
			if source := sourceOf(command, b.Seen(b.Src())); source != "" {
				c.commands[source], c.includes[source] = paths.Replace(command), paths.Replace(rest)
			}
		}
		return nil
	})
}

var ccacheRE = regexp.MustCompile(`^(\S*/)?ccache `)

// sourceOf returns the source that a command compiles, which is in the folder src; "" for other commands. What follows the compiler
// looks at the object.
func sourceOf(command, src string) string {
	command, _, _ = strings.Cut(command, ";")
	words := strings.Fields(command)
	if len(words) == 0 {
		return ""
	}
	source, ours := strings.CutPrefix(words[len(words)-1], src+"/")
	if !ours || !strings.HasSuffix(source, ".c") {
		return ""
	}
	return source
}

func (c *Compiler) src() string { return filepath.Join(c.dir, "src") }
func (c *Compiler) out() string { return filepath.Join(c.dir, "out") }

// Has reports whether the kernel has an object of a source.
func (c *Compiler) Has(source string) bool { return c.commands[source] != "" }

// Including returns the sources that include a header of the tree, sorted.
func (c *Compiler) Including(header string) []string {
	var all []string
	for source, files := range c.includes {
		if strings.Contains(files, " "+filepath.Join(c.src(), header)+" ") {
			all = append(all, source)
		}
	}
	slices.Sort(all)
	return all
}

// Close deletes the copy of the tree.
func (c *Compiler) Close() error {
	defer c.unlock()
	return cache.RemoveAll(c.dir)
}

// Compile compiles a source. Each file in texts has the given text, the source among them or a header below a
// folder that the compiler looks for headers in. It returns the object, and what the compiler printed. The
// object is nil if the compiler refuses the source.
func (c *Compiler) Compile(ctx context.Context, source string, texts map[string]string) (object []byte, printed string, err error) {
	if !c.Has(source) {
		return nil, "", fmt.Errorf("the kernel has no object of %s", source)
	}
	edited := filepath.Join(c.dir, fmt.Sprintf("edited-%d", c.calls.Add(1)))
	defer func() { err = errors.Join(err, cache.RemoveAll(edited)) }()
	if err := os.MkdirAll(edited, 0o755); err != nil {
		return nil, "", err
	}
	for path, text := range texts {
		if err := cache.WriteFile(filepath.Join(edited, path), []byte(text)); err != nil {
			return nil, "", err
		}
	}
	_, own := texts[source]
	cmd, release, err := c.box.Command(ctx, sandbox.Place{Dir: c.out(), Readable: []string{c.src(), c.out()}, Writable: []string{edited}}, "sh", "-c", c.command(source, edited, own))
	if err != nil {
		return nil, "", err
	}
	out, err := sandbox.CombinedOutput(cmd, release)
	if exit := new(exec.ExitError); err != nil && errors.As(err, &exit) && refusedRE.Match(out) {
		return nil, strings.ReplaceAll(string(out), edited+"/", ""), nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("compile %s: %w\n%s", source, err, sandbox.Tail(out, 20))
	}
	object, err = os.ReadFile(filepath.Join(edited, "object"))
	return object, strings.ReplaceAll(string(out), edited+"/", ""), err
}

// refusedRE is what the compiler says of a source that it refuses. Other errors are about the machine.
var refusedRE = regexp.MustCompile(`(?m)^\S+:\d+:\d+: (fatal )?error: `)

// command returns make's command for a source, changed so that the files in the folder edited
// come first, and so that the object goes there. The object does not say where it was made.
func (c *Compiler) command(source, edited string, own bool) string {
	command, _, _ := strings.Cut(c.commands[source], ";")
	words := strings.Fields(command)
	var folders []string
	for i, word := range words {
		switch folder, is := strings.CutPrefix(word, "-I"+c.src()+"/"); {
		case is:
			folders = append(folders, "-I"+filepath.Join(edited, folder))
		case word == "-o" && i+1 < len(words):
			words[i+1] = filepath.Join(edited, "object")
		case strings.HasPrefix(word, "-Wp,-MMD,"), strings.HasPrefix(word, "-Wp,-MD,"):
			words[i] = ""
		}
	}
	last := len(words) - 1
	if own {
		words[last] = filepath.Join(edited, source)
	}
	all := append([]string{words[0]}, folders...)
	all = append(all, words[1:last]...)
	return strings.Join(append(all, "-fdiagnostics-color=never", "-ftabstop=1", "-ffile-prefix-map="+edited+"/=", "-iquote"+filepath.Join(c.src(), filepath.Dir(source)), words[last]), " ")
}
