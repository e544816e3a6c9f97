// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bytes"
	"io"
	"path/filepath"

	"timens-vmtest/internal/sandbox"
)

// seenDir is the work folder's path in the sandbox, the same for every work folder.
// kbuild writes the paths of the tree and of the output into the command line of each
// object, and compiles everything again if one of them has changed. So objects can be
// copied from one work folder to another.
const seenDir = "/vmtest-work"

// seen returns a path in the work folder as make sees it.
func (b *build) seen(path string) string {
	rel, err := filepath.Rel(b.dir, path)
	if err != nil || !filepath.IsLocal(rel) || b.Sandbox.Off {
		return path
	}
	return filepath.Join(seenDir, rel)
}

// inSandbox is where make runs.
func (b *build) inSandbox() sandbox.Place {
	at := sandbox.Place{Dir: b.seen(b.src), Readable: []string{b.src}, Writable: []string{b.out()}, Env: buildEnv}
	if !b.Sandbox.Off {
		at.At = map[string]string{b.src: b.seen(b.src), b.out(): b.seen(b.out())}
	}
	return at
}

// unseen passes on what make prints, with the paths that the user knows instead of those
// that make sees.
type unseen struct {
	b    *build
	to   io.Writer
	rest []byte // a line that is not whole yet
}

func (u *unseen) Write(p []byte) (int, error) {
	u.rest = append(u.rest, p...)
	end := bytes.LastIndexByte(u.rest, '\n') + 1
	lines := u.rest[:end]
	u.rest = bytes.Clone(u.rest[end:])
	return len(p), u.pass(lines)
}

// flush passes on a last line without a newline.
func (u *unseen) flush() error { return u.pass(u.rest) }

func (u *unseen) pass(text []byte) error {
	for _, dir := range []string{u.b.src, u.b.out()} {
		text = bytes.ReplaceAll(text, []byte(u.b.seen(dir)), []byte(dir))
	}
	_, err := u.to.Write(text)
	return err
}
