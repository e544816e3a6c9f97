// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/sandbox"
)

//go:embed read.sh
var readScript string

// input is a text to be read.
type input struct {
	text  []byte
	mails bool // it holds mails; else it is one text
}

// noMail is the header that a text is given which has none.
const noMail = "X-Is: no mail\n\n"

// ReadMails reads mailboxes by git's own tools, as git am does. It returns the mails of each,
// in their order. The names are for messages. A mailbox that holds no mail is refused.
func ReadMails(ctx context.Context, box sandbox.Box, mailboxes []Named) ([][]Mail, error) {
	var inputs []input
	for _, m := range mailboxes {
		if len(bytes.TrimSpace(m.Text)) == 0 {
			return nil, refused(m.Name, "it is empty; save the mails again")
		}
		in, err := prepare(m.Name, m.Text)
		if err != nil {
			return nil, err
		}
		if !in.mails {
			return nil, refused(m.Name, "it holds no mail: its first lines are no header; pass a patch by -patch")
		}
		inputs = append(inputs, in)
	}
	all, err := readAll(ctx, box, inputs)
	if err != nil {
		return nil, err
	}
	for i, mails := range all {
		if len(mails) == 0 {
			return nil, refused(mailboxes[i].Name, "git mailsplit finds no mail in it; save it as a mailbox (mbox)")
		}
	}
	return all, nil
}

// readAll gives all texts to git at once, in the sandbox: what strangers wrote is taken
// apart there. A text in which git finds no mail has none.
func readAll(ctx context.Context, box sandbox.Box, inputs []input) ([][]Mail, error) {
	all, err := readOnce(ctx, box, inputs)
	if err != nil {
		return nil, err
	}
	// A web page beside or in place of a text says all of it again, in tags.
	var plain []input
	var of []*Mail
	for i := range all {
		for n := range all[i] {
			if p := partsOf(all[i][n].Raw); inputs[i].mails && p.html {
				plain, of = append(plain, input{p.without, true}), append(of, &all[i][n])
			}
		}
	}
	again, err := readOnce(ctx, box, plain)
	if err != nil {
		return nil, err
	}
	for i, mails := range again {
		raw := of[i].Raw
		if len(mails) > 0 {
			*of[i] = mails[0]
		}
		of[i].Raw = raw
	}
	for i := range all {
		for n := range all[i] {
			all[i][n].classify()
		}
	}
	return all, nil
}

// readOnce runs the script on all texts.
func readOnce(ctx context.Context, box sandbox.Box, inputs []input) (all [][]Mail, err error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	tmp, err := os.MkdirTemp("", "vmtest-read-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := errors.Join(os.Mkdir(filepath.Join(tmp, "in"), 0o755), os.Mkdir(filepath.Join(tmp, "out"), 0o755)); err != nil {
		return nil, err
	}
	for i, in := range inputs {
		name, text := fmt.Sprintf("%06d.mail", i), in.text
		if !in.mails {
			// mailinfo wants a header, and tells changelog and diff apart below it.
			name, text = fmt.Sprintf("%06d.text", i), append([]byte(noMail), in.text...)
		}
		if err := os.WriteFile(filepath.Join(tmp, "in", name), text, 0o644); err != nil {
			return nil, inFolder(tmp, err)
		}
	}
	env := []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(tmp), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}
	out, err := box.Output(ctx, sandbox.Place{Dir: tmp, Writable: []string{tmp}, Env: env}, "sh", "-c", readScript)
	if full := sandbox.DiskFull(out, "git mailinfo", tmp); full != nil || ctx.Err() != nil {
		return nil, errors.Join(inFolder(tmp, full), ctx.Err())
	}
	if err != nil {
		// The shell does not say why it cannot write. A full disk has no room for this
		// either.
		if full := os.WriteFile(filepath.Join(tmp, "room"), make([]byte, 64<<10), 0o644); full != nil {
			return nil, inFolder(tmp, full)
		}
		return nil, fmt.Errorf("read patches: %w\n%s", err, sandbox.Tail(out, 20))
	}
	for i, in := range inputs {
		mails, err := readMails(tmp, filepath.Join("out", fmt.Sprintf("%06d", i)), !in.mails)
		if err != nil {
			return nil, err
		}
		all = append(all, mails)
	}
	return all, nil
}

// inFolder names a folder in place of the file that an error is of: the file goes away
// with the folder.
func inFolder(dir string, err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		file.Path = dir
	}
	return err
}

// readMails reads what the script has left of one text.
func readMails(tmp, dir string, text bool) ([]Mail, error) {
	var all []Mail
	for n := 1; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf("%06d", n))
		raw, err := sandbox.ReadMade(tmp, name)
		if errors.Is(err, fs.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		m := Mail{Raw: raw, text: text}
		var outer, info, undecoded, stat, refused []byte
		for suffix, to := range map[string]*[]byte{
			"outer": &outer, "info": &info, "log": &m.Changelog, "diff": &m.Change, "undecoded": &undecoded, "stat": &stat, "refused": &refused,
		} {
			if *to, err = sandbox.ReadMade(tmp, name+"."+suffix); err != nil {
				return nil, err
			}
		}
		if full := sandbox.DiskFull(append(undecoded, refused...), "git mailinfo", tmp); full != nil {
			return nil, inFolder(tmp, full)
		}
		m.undecoded, m.stat = strings.TrimSpace(string(undecoded)), string(stat)
		m.refused, _, _ = strings.Cut(strings.TrimSpace(string(refused)), "\n")
		m.describe(info, outer)
		all = append(all, m)
	}
}

// everyCR says that every line that has an end ends in CR and LF.
func everyCR(text []byte) bool {
	return bytes.Count(text, []byte("\n")) == bytes.Count(text, []byte("\r\n"))
}
