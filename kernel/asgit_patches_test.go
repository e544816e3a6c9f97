// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pick is one of several, by chance.
func pick[T any](g *gitBench, of ...T) T { return of[g.rand.IntN(len(of))] }

// patch makes changes, a commit of them, and a patch of it in one of many forms.
// words say which.
func (g *gitBench) patch() (words []string, text []byte, mail bool) {
	kinds := changes()
	names := slices.Sorted(maps.Keys(kinds))
	for range 1 + g.rand.IntN(3) {
		name := pick(g, names...)
		if !slices.Contains(words, name) && (name != "submodule" || g.rand.IntN(4) == 0) {
			words = append(words, name)
			if err := kinds[name](g); err != nil {
				words[len(words)-1] = "half of " + name
			}
		}
	}
	g.git("add", "-A")
	if slices.Contains(words, "submodule") {
		g.git("update-index", "--add", "--cacheinfo", "160000,1234567890123456789012345678901234567890,sub")
	}
	message := "time: Change it\n\nBecause.\n"
	if quote := pick(g, "", "", "", "hunk", "names", "diff", "words"); quote != "" {
		words = append(words, "quoted "+quote)
		message += "\n" + map[string]string{
			"hunk": "@@ -1,2 +1,2 @@ int f(void)\n", "names": "--- a/fs/x.c\n+++ b/fs/x.c\n", "words": "diff --git says so.\nIndex: no\n",
			"diff": "diff --git a/fs/x.c b/fs/x.c\n--- a/fs/x.c\n+++ b/fs/x.c\n@@ -1,2 +1,2 @@\n-line 1 of 2;\n+quoted\n line 2 of 2;\n",
		}[quote]
	}
	g.git("commit", "-qm", message+"\nSigned-off-by: Tess Tér <tess@example.org>", "--allow-empty")
	form, args := pick(g, forms...), []string{}
	if form.word != "" {
		words, args = append(words, form.word), append(args, form.args...)
	}
	text = g.git(append(slices.Concat(form.config, []string{"format-patch", "--stdout", "-1"}), args...)...)
	how := pick(g, "", "", "", "base64", "base64 CRLF", "quoted-printable", "CRLF mail", "plain", "plain", "plain CRLF", "plain -p0", "reversed",
		"drop a line", "double a line", "other context", "cut off")
	if how != "" {
		words = append(words, how)
	}
	mail = !strings.HasPrefix(how, "plain") && how != "reversed"
	if !mail {
		reverse := []string{}
		if form.word == "no binary" { // an option of format-patch only
			args = nil
		}
		if how == "reversed" {
			reverse = []string{"-R"}
		}
		if how == "plain -p0" {
			reverse = []string{"--no-prefix"}
		}
		text = g.git(slices.Concat(form.config, []string{"diff", "base", "HEAD"}, args, reverse)...)
	}
	g.git("reset", "-q", "--hard", "base")
	g.git("clean", "-fdxq")
	return words, g.mangled(text, how), mail
}

// forms are how git is asked for a patch.
var forms = []struct {
	word         string
	config, args []string
}{
	{}, {}, {}, {},
	{"no-prefix", nil, []string{"--no-prefix"}},
	{"other prefixes", nil, []string{"--src-prefix=linux.orig/", "--dst-prefix=linux/"}},
	{"mnemonic", []string{"-c", "diff.mnemonicPrefix=true"}, nil},
	{"no context", nil, []string{"-U0"}},
	{"one line", nil, []string{"-U1"}},
	{"full index", nil, []string{"--full-index", "--binary"}},
	{"no binary", nil, []string{"--no-binary"}},
	{"no renames", nil, []string{"--no-renames"}},
	{"copies", nil, []string{"-C", "-C"}},
	{"raw names", []string{"-c", "core.quotePath=false"}, nil},
	{"break", nil, []string{"-B"}},
}

// mangled is a patch as mail programs and people make it another.
func (g *gitBench) mangled(text []byte, how string) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	line := g.rand.IntN(len(lines))
	switch how {
	case "base64":
		return encoded(text, "base64", func(body []byte) []byte { return wrapped(base64.StdEncoding.EncodeToString(body)) })
	case "base64 CRLF":
		return encoded(text, "BASE64", func(body []byte) []byte {
			return wrapped(base64.StdEncoding.EncodeToString(bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))))
		})
	case "quoted-printable":
		return encoded(text, "Quoted-Printable", quoted)
	case "CRLF mail", "plain CRLF":
		return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	case "drop a line":
		return bytes.Join(slices.Delete(lines, line, line+1), nil)
	case "double a line":
		line = max(line, 1) // the first begins a mail, and an empty mail is left out, which git am refuses
		return bytes.Join(slices.Insert(lines, line, lines[line]), nil)
	case "other context":
		return bytes.Replace(text, []byte("\n line"), []byte("\n Line"), 1)
	case "cut off":
		return bytes.Join(lines[:len(lines)*3/4], nil)
	}
	return text
}

// encoded is a mail with its body in an encoding. The fields that git gave it for its
// charset stay.
func encoded(text []byte, name string, encode func([]byte) []byte) []byte {
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	var fields []string
	for line := range strings.Lines(string(head) + "\n") {
		if !strings.HasPrefix(line, "Content-Transfer-Encoding:") {
			fields = append(fields, line)
		}
	}
	if !strings.Contains(string(head), "MIME-Version") {
		fields = append(fields, "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n")
	}
	return []byte(strings.Join(fields, "") + "Content-Transfer-Encoding: " + name + "\n\n" + string(encode(body)))
}

func wrapped(text string) []byte {
	var b bytes.Buffer
	for len(text) > 76 {
		b.WriteString(text[:76] + "\n")
		text = text[76:]
	}
	b.WriteString(text + "\n")
	return b.Bytes()
}

func quoted(body []byte) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write(body) // to memory
	w.Close()
	return bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n"))
}

// changes are what a commit does to the tree. One that another has made impossible is an
// error, and is left out.
func changes() map[string]func(g *gitBench) error {
	edit := func(g *gitBench, name string) error {
		text, err := os.ReadFile(filepath.Join(g.dir, name))
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(string(text), "\n")
		at := g.rand.IntN(len(lines))
		lines[at] = fmt.Sprintf("changed = %d & <now>; %s", g.rand.IntN(100), lines[at])
		return g.put(name, strings.Join(lines, ""))
	}
	at := func(g *gitBench, name string) string { return filepath.Join(g.dir, name) }
	return map[string]func(g *gitBench) error{
		"edit": func(g *gitBench) error { return edit(g, pick(g, "kernel/time/a.c", "kernel/time/b.c", "fs/x.c")) },
		"odd":  func(g *gitBench) error { return edit(g, pick(g, oddNames...)) },
		"crlf": func(g *gitBench) error { return edit(g, "crlf.txt") },
		"noeol": func(g *gitBench) error {
			return g.put("noeol.c", pick(g, numbered(51, 20), numbered(51, 20)+"!", "x"))
		},
		"latin1": func(g *gitBench) error {
			return g.put("latin1.c", strings.ReplaceAll(strings.ReplaceAll(numbered(53, 20), "of", "\xe9"), "line 9 ", "line \xfc"))
		},
		"binary": func(g *gitBench) error {
			return g.put(pick(g, "bin.dat", "new.dat"), "\x00"+numbered(g.rand.IntN(99), 20))
		},
		"add": func(g *gitBench) error {
			return g.put(pick(g, "tools/new.c", "new.c", "kernel/new/deep.c", "nü w.c"), pick(g, numbered(7, 5), "no end", "", "crlf\r\n"))
		},
		"add script": func(g *gitBench) error { return errors.Join(g.put("new.sh", "x\n"), os.Chmod(at(g, "new.sh"), 0o755)) },
		"delete": func(g *gitBench) error {
			return os.Remove(at(g, pick(g, "fs/x.c", "empty.h", "bin.dat", "link.c", oddNames[0])))
		},
		"rename": func(g *gitBench) error {
			return os.Rename(at(g, "kernel/time/b.c"), at(g, pick(g, "kernel/b2.c", "b 2.c", "quo\"2.c")))
		},
		"rename and edit": func(g *gitBench) error {
			err := edit(g, "run.sh")
			return errors.Join(err, os.Chmod(at(g, "run.sh"), 0o755), os.Rename(at(g, "run.sh"), at(g, pick(g, "run2.sh", "kernel/run.sh"))))
		},
		"copy": func(g *gitBench) error {
			return errors.Join(g.put("copy.c", numbered(0, 60)+"more\n"), edit(g, "kernel/time/a.c"))
		},
		"mode": func(g *gitBench) error {
			return errors.Join(os.Chmod(at(g, "fs/x.c"), 0o755), os.Chmod(at(g, oddNames[0]), 0o755))
		},
		"link": func(g *gitBench) error {
			return os.Symlink(pick(g, "fs/x.c", "../x", "nowhere"), at(g, pick(g, "new.link", "kernel/new.link")))
		},
		"relink": func(g *gitBench) error {
			return errors.Join(os.Remove(at(g, "link.c")), os.Symlink("fs/x.c", at(g, "link.c")))
		},
		"link to file": func(g *gitBench) error { return errors.Join(os.Remove(at(g, "link.c")), g.put("link.c", "text\n")) },
		"file to link": func(g *gitBench) error {
			return errors.Join(os.Remove(at(g, "empty.h")), os.Symlink("fs/x.c", at(g, "empty.h")))
		},
		"file to folder": func(g *gitBench) error {
			return errors.Join(os.Remove(at(g, "noeol.c")), g.put("noeol.c/x.c", "x\n"))
		},
		"folder to file": func(g *gitBench) error { return errors.Join(os.RemoveAll(at(g, "fs")), g.put("fs", "x\n")) },
		"through a link": func(g *gitBench) error {
			return errors.Join(os.Remove(at(g, "linked")), g.put("linked/time/a.c", "x\n"))
		},
		"submodule": func(*gitBench) error { return nil }, // by the index
	}
}
