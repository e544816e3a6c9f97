// SPDX-License-Identifier: BSD-3-Clause

package work

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

// Seen returns a path in the work folder as make sees it.
func (f Folder) Seen(path string) string {
	rel, err := filepath.Rel(f.Dir, path)
	if err != nil || !filepath.IsLocal(rel) || f.Sandbox.Off {
		return path
	}
	return filepath.Join(seenDir, rel)
}

// InSandbox is where make runs, with this environment.
func (f Folder) InSandbox(env []string) sandbox.Place {
	at := sandbox.Place{Dir: f.Seen(f.Src()), Readable: []string{f.Src()}, Writable: []string{f.Out()}, Env: env}
	if !f.Sandbox.Off {
		at.At = map[string]string{f.Src(): f.Seen(f.Src()), f.Out(): f.Seen(f.Out())}
	}
	return at
}

// Unseen passes on what make prints, with the paths that the user knows instead of those
// that make sees.
type Unseen struct {
	Folder Folder
	To     io.Writer
	rest   []byte // a line that is not whole yet
}

func (u *Unseen) Write(p []byte) (int, error) {
	u.rest = append(u.rest, p...)
	end := bytes.LastIndexByte(u.rest, '\n') + 1
	lines := u.rest[:end]
	u.rest = bytes.Clone(u.rest[end:])
	return len(p), u.pass(lines)
}

// Flush passes on a last line without a newline.
func (u *Unseen) Flush() error { return u.pass(u.rest) }

func (u *Unseen) pass(text []byte) error {
	for _, dir := range []string{u.Folder.Src(), u.Folder.Out()} {
		text = bytes.ReplaceAll(text, []byte(u.Folder.Seen(dir)), []byte(dir))
	}
	_, err := u.To.Write(text)
	return err
}
