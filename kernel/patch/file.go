// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
)

// Load reads a file of one or more patches: what git format-patch, diff or quilt makes,
// or mails as they are.
func Load(ctx context.Context, box sandbox.Box, path string) ([]Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, blame.Usagef("read patch: %w", err)
	}
	return LoadTexts(ctx, box, []Named{{filepath.Base(path), text}})
}

// Named is the text of a file.
type Named struct {
	Name string
	Text []byte
}

// LoadTexts makes patches of files, in their order. A cover letter is left out.
func LoadTexts(ctx context.Context, box sandbox.Box, files []Named) ([]Patch, error) {
	var inputs []input
	for _, f := range files {
		in, err := prepare(f.Name, f.Text)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	all, err := readAll(ctx, box, inputs)
	if err != nil {
		return nil, err
	}
	var patches []Patch
	for i, mails := range all {
		some, err := patchesOf(files[i].Name, inputs[i], mails)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if slices.ContainsFunc(patches, func(other Patch) bool { return other.Name == p.Name }) {
				return nil, blame.Usagef("%s: two patches would have the name %s; rename one of the files", files[i].Name, p.Name)
			}
			patches = append(patches, p)
		}
	}
	return patches, nil
}

var mailFieldRE = regexp.MustCompile(`^[!-9;-~]+:`)

// isMail knows a mail as git am does: every line down to the first empty one is a field
// of a header.
func isMail(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	if bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte("From: ")) {
		return true
	}
	fields := 0
	for line := range bytes.Lines(text) {
		switch line := bytes.TrimRight(line, "\r\n"); {
		case len(line) == 0:
			return fields > 0
		case line[0] == ' ' || line[0] == '\t':
		case !mailFieldRE.Match(line):
			return false
		}
		fields++
	}
	return fields > 0
}

// prepare takes off what Windows puts around a text, and refuses what is no text.
func prepare(name string, text []byte) (input, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return input{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s changes no file: it is empty; save it again, or take it out of the series", name)}
	}
	if why := charsetFault(text); why != "" {
		return input{}, refused(name, "%s", why)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !isMail(text) {
		return input{text: text}, nil
	}
	if everyCR(text) {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	return input{text: text, mails: true}, nil
}

// patchesOf makes the patches of one file.
func patchesOf(name string, in input, mails []Mail) ([]Patch, error) {
	if len(mails) == 0 {
		return nil, refused(name, "git mailsplit finds no mail in it")
	}
	var all []Patch
	for i, m := range mails {
		n := 0
		if len(mails) > 1 {
			n = i + 1
		}
		if !m.HasPatch && (len(mails) > 1 || m.IsCover()) && !m.ClaimsPatch() {
			continue
		}
		p, err := m.Patch(name, n)
		if err != nil {
			return nil, err
		}
		p.Name = flat(name)
		if len(mails) == 1 && (!in.mails || !m.changed()) {
			p.Text = in.text
		}
		if len(mails) > 1 {
			ext := filepath.Ext(p.Name)
			p.Name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(p.Name, ext), i+1, ext)
		}
		if !in.mails {
			p.describeText(m)
		}
		all = append(all, p)
	}
	return all, nil
}

// flat is a file name for a path below the series' folder.
func flat(path string) string { return strings.ReplaceAll(path, "/", "-") }

// describeText takes what a text that is no mail says of itself: "git show" prints its
// author, and other tools a first line at most.
func (p *Patch) describeText(m Mail) {
	text := strings.TrimSpace(string(m.Changelog))
	header, err := gitdiff.ParsePatchHeader(text)
	if err != nil { // its date may be one that nobody can read
		header, err = gitdiff.ParsePatchHeader(dateRE.ReplaceAllString(text, ""))
	}
	if err == nil && header.Author != nil && strings.HasPrefix(text, "commit ") {
		p.Author, p.Subject, p.Changelog = header.Author.String(), header.Title, header.Body
		return
	}
	if p.Subject == "" {
		first, rest, _ := strings.Cut(text, "\n")
		p.Subject, p.Changelog = strings.TrimSpace(strings.TrimPrefix(first, "Description:")), strings.TrimSpace(rest)
	}
}

var dateRE = regexp.MustCompile(`(?m)^(Author|Commit)?Date:.*\n`)
