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

// mail is what git makes of one mail, or of one text that is no mail.
type mail struct {
	raw       []byte
	text      bool   // it is no mail, and has no header
	outer     string // subject of the mail's own header, with its brackets; decoded
	sender    person // of the mail's own header
	author    string // NAME <ADDRESS>; in-body headers go before the mail's own, as in date and subject
	date      string
	subject   string // with its brackets
	changelog []byte
	change    []byte // all below the changelog: notes, diffstat, diff, signature
	undecoded string // why the text could not be decoded; "" if it could be
	stat      string // what "git apply --numstat -z" says of change
	refused   string // why "git apply" cannot read change; "" if it can
}

// input is a text to be read.
type input struct {
	text  []byte
	mails bool // it holds mails; else it is one text
}

// noMail is the header that a text is given which has none.
const noMail = "X-Is: no mail\n\n"

// readAll gives all texts to git at once, in the sandbox: what strangers wrote is taken
// apart there. A text in which git finds no mail has none.
func readAll(ctx context.Context, box sandbox.Box, inputs []input) ([][]mail, error) {
	all, err := readOnce(ctx, box, inputs)
	if err != nil {
		return nil, err
	}
	// A web page beside or in place of a text says all of it again, in tags.
	var plain []input
	var of []*mail
	for i := range all {
		for n := range all[i] {
			if p := partsOf(all[i][n].raw); inputs[i].mails && p.html {
				plain, of = append(plain, input{p.without, true}), append(of, &all[i][n])
			}
		}
	}
	again, err := readOnce(ctx, box, plain)
	if err != nil {
		return nil, err
	}
	for i, mails := range again {
		raw := of[i].raw
		if len(mails) > 0 {
			*of[i] = mails[0]
		}
		of[i].raw = raw
	}
	return all, nil
}

// readOnce runs the script on all texts.
func readOnce(ctx context.Context, box sandbox.Box, inputs []input) (all [][]mail, err error) {
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
func readMails(tmp, dir string, text bool) ([]mail, error) {
	var all []mail
	for n := 1; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf("%06d", n))
		raw, err := sandbox.ReadMade(tmp, name)
		if errors.Is(err, fs.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		m := mail{raw: raw, text: text}
		var outer, info, undecoded, stat, refused []byte
		for suffix, to := range map[string]*[]byte{
			"outer": &outer, "info": &info, "log": &m.changelog, "diff": &m.change, "undecoded": &undecoded, "stat": &stat, "refused": &refused,
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

// describe takes in what mailinfo printed.
func (m *mail) describe(info, outer []byte) {
	m.outer = infoField(outer, "Subject")
	m.sender = person{infoField(outer, "Author"), infoField(outer, "Email")}
	m.date, m.subject = infoField(info, "Date"), infoField(info, "Subject")
	name, address := infoField(info, "Author"), infoField(info, "Email")
	if address != "" {
		m.author = fmt.Sprintf("%s <%s>", name, address)
	}
	if m.outer == "" {
		m.outer = strings.Join(strings.Fields(m.header("Subject")), " ")
	}
	if m.subject == "" {
		m.subject = m.outer
	}
}

func infoField(info []byte, name string) string {
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// header is a field of the mail's header as it stands there, unfolded.
func (m mail) header(name string) string {
	head, _, _ := strings.Cut(string(m.raw), "\n\n")
	value, found := "", false
	for line := range strings.Lines(head) {
		if found && (line[0] == ' ' || line[0] == '\t') {
			value += line
			continue
		}
		if found {
			break
		}
		key, rest, ok := strings.Cut(line, ":")
		if found = ok && strings.EqualFold(key, name); found {
			value = rest
		}
	}
	return strings.TrimSpace(value)
}

// everyCR says that every line that has an end ends in CR and LF.
func everyCR(text []byte) bool {
	return bytes.Count(text, []byte("\n")) == bytes.Count(text, []byte("\r\n"))
}
