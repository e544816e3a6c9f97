// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

const change = hosttest.Change

// formattedMail is a patch as git format-patch makes it.
func formattedMail(subject, changelog, diff string) string {
	return "From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\nFrom: Ann Author <a@example.org>\n" +
		"Date: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: [PATCH] " + subject + "\n\n" + changelog + "\n---\n a.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n" + diff + "-- \n2.39.5\n\n"
}

const mime = "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"

// withFields is a mail with more fields in its header.
func withFields(mail, fields string) string {
	head, body, _ := strings.Cut(mail, "\n\n")
	return head + "\n" + fields + "\n" + body
}

// bodyAs is a mail with its body encoded.
func bodyAs(mail, encoding string, encode func(string) string) string {
	head, body, _ := strings.Cut(mail, "\n\n")
	return head + "\n" + mime + "Content-Transfer-Encoding: " + encoding + "\n\n" + encode(body)
}

func toBase64(body string) string { return base64.StdEncoding.EncodeToString([]byte(body)) + "\n" }

func toQuoted(body string) string { return strings.ReplaceAll(body, "=", "=3D") }

// assigning is a diff that has "=" and "<" in it.
var assigning = strings.ReplaceAll(change, "+TWO", "+two = a < b && c;")

// What a file holds is one patch, whatever it came through.
func TestLoadForms(t *testing.T) {
	mail := formattedMail("a: Do it", "Why.", assigning)
	multipart := func(kind, second string) string {
		return "From: Ann Author <a@example.org>\nSubject: [PATCH] a: Do it\nMIME-Version: 1.0\nContent-Type: multipart/" + kind + "; boundary=\"=-b\"\n\n" +
			"--=-b\nContent-Type: text/plain; charset=utf-8\n\nWhy.\n---\n" + second + "\n--=-b--\n"
	}
	for name, text := range map[string]string{
		"format-patch":       mail,
		"raw mail":           "Received: from a by b;\n Sun, 22 Nov 2026 10:00:00 +0000\nFrom: Ann Author <a@example.org>\n" + mail[strings.Index(mail, "Date:"):],
		"quoted-printable":   bodyAs(mail, "Quoted-Printable", toQuoted),
		"base64":             bodyAs(mail, "BASE64", toBase64),
		"base64 with CR":     bodyAs(mail, "base64", func(body string) string { return toBase64(strings.ReplaceAll(body, "\n", "\r\n")) }),
		"CRLF":               strings.ReplaceAll(mail, "\n", "\r\n"),
		"BOM":                "\ufeff" + mail,
		"8bit":               withFields(mail, mime+"Content-Transfer-Encoding: 8bit\n"),
		"encoded subject":    strings.Replace(mail, "a: Do it", "=?utf-8?q?a=3A_Do_it?=", 1),
		"subject as UTF-7":   strings.Replace(mail, "a: Do it", "=?utf-7?q?a:_Do_it?=", 1),
		"reply brackets":     strings.Replace(mail, "[PATCH]", "Re: [RFC] [PATCH v2 3/9]", 1),
		"author in the body": strings.Replace(strings.Replace(mail, "From: Ann Author <a@", "From: List <l@", 1), "\n\nWhy.", "\n\nFrom: Ann Author <a@example.org>\n\nWhy.", 1),
		"unreadable date":    strings.Replace(mail, "Sun, 22 Nov", "Noday, 99 Nevember", 1),
		"no date":            strings.Replace(mail, "Date:", "X-Date:", 1),
		"attached":           multipart("mixed", "\n--=-b\nContent-Type: text/x-patch; name=\"a.patch\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment\n\n"+toBase64(assigning)),
		"web page beside":    multipart("alternative", assigning+"\n--=-b\nContent-Type: text/html; charset=utf-8\n\n<pre>\n"+assigning+"</pre>"),
		"signed":             multipart("signed", assigning+"\n--=-b\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\niQ==\n-----END PGP SIGNATURE-----"),
		"git show":           "commit 1234567890123456789012345678901234567890\nAuthor: Ann Author <a@example.org>\nDate:   someday\n\n    a: Do it\n    \n    Why.\n\n" + assigning,
		"no signature":       strings.TrimSuffix(mail, "-- \n2.39.5\n\n"),
		"list footer":        mail + "_____\nlinux mailing list\n---\nhttps://lists.example.org\n",
	} {
		p, err := loadOne(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Author != "Ann Author <a@example.org>" || p.Subject != "a: Do it" || !strings.HasPrefix(p.Changelog, "Why.") {
			t.Errorf("%s: author %q, subject %q, changelog %q", name, p.Author, p.Subject, p.Changelog)
		}
		if string(p.Diff) != assigning {
			t.Errorf("%s: the diff is\n%s", name, p.Diff)
		}
		if !strings.Contains(string(p.Text), "Why.") || !strings.Contains(string(p.Text), assigning) {
			t.Errorf("%s: what is kept is\n%s", name, p.Text)
		}
	}
}

// What the changelog quotes is no part of the diff, and ends no load.
func TestChangelogIsNotDiff(t *testing.T) {
	for name, quoted := range map[string]string{
		"hunk header":   "@@ -10,2 +10,3 @@ static int foo(void)",
		"indented diff": "  " + strings.ReplaceAll(change, "\n", "\n  "),
		"reply":         "> " + strings.ReplaceAll(change, "\n", "\n> "),
		"one name":      "--- a/b.c\nchanged.",
		"index":         "Index: is said.",
		"escaped From":  ">From now on, diff --git is said.",
		"From":          "From here, all is well.",
		"scissors":      "Hello,\n\n-- >8 --",
		"in words":      "the line diff --git a/x b/x",
	} {
		p, err := loadOne(t, formattedMail("a: Do", quoted, change))
		if err != nil || string(p.Diff) != change {
			t.Errorf("%s: %v, the diff is\n%s", name, err, p.Diff)
		}
		below := strings.Replace(formattedMail("a: Do", "Why.", change), "---\n", "---\nv2: "+strings.TrimLeft(quoted, "@-<>+ ")+"\n\n", 1)
		if p, err := loadOne(t, below); err != nil || string(p.Diff) != change {
			t.Errorf("%s below ---: %v, the diff is\n%s", name, err, p.Diff)
		}
	}
}

// Texts without a header of a mail say what they are in other ways.
func TestLoadPlainForms(t *testing.T) {
	for text, want := range map[string]string{
		change: "",
		"Description: Say it\nLast-Update: 2026-11-22\n" + change: "Say it",
		"Say it\n\nBecause.\n" + change:                           "Say it",
		"Say it\nIndex: linux/a.c\n=====\n" + strings.NewReplacer("--- a/", "--- linux.orig/", "+++ b/", "+++ linux/").Replace(change[strings.Index(change, "---"):]): "Say it",
		"Subject: Say it\n\nWhy.\n---\n" + change: "Say it",
	} {
		p, err := loadOne(t, text)
		if err != nil || p.Subject != want || !slices.Equal(p.Touches(), []string{"a.c"}) || string(p.Text) != text {
			t.Errorf("%q: subject %q, touches %q, %v", text, p.Subject, p.Touches(), err)
		}
	}
}

func TestLoadSeveral(t *testing.T) {
	one := formattedMail("a: One", "Why.\n\nSigned-off-by: Ann Author <a@example.org>", change)
	two := formattedMail("b: Two", "Why.", strings.ReplaceAll(change, "a.c", "b.c"))
	cover := strings.Replace(formattedMail("Cover", "Text.", ""), "[PATCH]", "[PATCH 0/2]", 1)
	all, err := loadText(t, "pr.patch", cover+one+two)
	if err != nil || len(all) != 2 {
		t.Fatalf("got %d patches, %v, want 2", len(all), err)
	}
	for i, want := range []string{"pr-2.patch a: One []", "pr-3.patch b: Two [there is no Signed-off-by of its author, Ann Author <a@example.org>]"} {
		if got := fmt.Sprint(all[i].Name, " ", all[i].Subject, " ", all[i].Formalities()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if strings.Contains(string(all[0].Text), "Two") || strings.Contains(string(all[1].Text), "One") {
		t.Error("one patch has the text of the other")
	}
	if all, err := loadText(t, "0000-cover-letter.patch", cover); err != nil || len(all) != 0 {
		t.Errorf("a cover letter: got %d patches, %v", len(all), err)
	}
}

// Every refusal names the file, the line where there is one, and the next step.
func TestLoadRefusesByName(t *testing.T) {
	mail := formattedMail("a: Do", "Why.", assigning)
	_, plain, _ := strings.Cut(change, "\n")
	noPrefix := strings.NewReplacer("a/a.c", "kernel/a.c", "b/a.c", "kernel/a.c").Replace
	created := "--- /dev/null\n+++ kernel/n.c\n@@ -0,0 +1 @@\n+int n;\n"
	renamed := "diff --git kernel/a.c kernel/b.c\nsimilarity index 100%\nrename from kernel/a.c\nrename to kernel/b.c\n"
	wide := func(text string) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
			b.WriteString(string([]byte{byte(u), byte(u >> 8)}))
		}
		return b.String()
	}
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                  {"\n", "x.patch changes no file: it is empty; save it again"},
		"no diff":                {formattedMail("a: Do", "Why.", ""), "x.patch changes no file: there is no diff in it"},
		"UTF-16":                 {wide(change), `x.patch: it is in UTF-16, as PowerShell's ">" writes; make it again by "git format-patch -o DIR"`},
		"compressed":             {"\x1f\x8b\x08", "x.patch: it is compressed; unpack it"},
		"quoted-printable":       {toQuoted(assigning), "x.patch: its diff is still encoded (quoted-printable), and would change the files to that; save the mail as it is"},
		"base64":                 {toBase64(change), "x.patch: it is encoded in base64; save the mail as it is"},
		"twice encoded":          {bodyAs(mail, "quoted-printable", func(body string) string { return toQuoted(toQuoted(body)) }), "still encoded (quoted-printable)"},
		"web page":               {strings.NewReplacer("<", "&lt;", "&", "&amp;").Replace(assigning), "still encoded (HTML)"},
		"CRLF":                   {strings.ReplaceAll(change, "\n", "\r\n"), `x.patch, line 1: its lines end in CR and LF, as Windows tools write them; convert it by "dos2unix"`},
		"flowed":                 {withFields(mail, "Content-Type: text/plain; charset=UTF-8;\n format=flowed\n"), "format=flowed, which folds long lines"},
		"unknown charset":        {withFields(strings.Replace(mail, "Why", "\xe9", 1), "Content-Type: text/plain; charset=x-none\n"), "cannot be decoded: cannot convert from x-none to UTF-8"},
		"quoted diff":            {formattedMail("a: Do", "It was\n\n"+strings.ReplaceAll(change, "a.c", "q.c"), change), `x.patch, line 17: the changelog, or the text below "---", quotes a diff, which git am would apply, too; indent it`},
		"quoted diff below ---":  {strings.Replace(mail, "---\n", "---\nv1 had\n"+change, 1), `x.patch, line 18: the changelog, or the text below "---", quotes a diff`},
		"quoted hunk below ---":  {strings.Replace(mail, "---\n", "---\n@@ -1 +1 @@\n", 1), "x.patch, line 8: the diff is damaged: a hunk stands there without the header of its file; indent what is only quoted"},
		"words":                  {formattedMail("a: Do", "diff --git says so.", change), `git reads the words "diff --git says so." as the header of a diff, and refuses the patch; indent them`},
		"git log -p":             {strings.Repeat("commit 1234567890123456789012345678901234567890\nAuthor: A <a@x>\nDate: now\n\n    One\n\n"+change, 2), `line 15: a second commit begins there, as "git log -p" prints them`},
		"mail behind a diff":     {change + mail, `x.patch, line 9: a second patch begins there`},
		"merge":                  {"diff --cc a.c\nindex 1,2..3\n--- a/a.c\n+++ b/a.c\n@@@ -1,1 -1,1 +1,1 @@@\n++x\n", "combined diff of a merge"},
		"merge and more":         {change + "diff --cc b.c\nindex 1,2..3\n--- a/b.c\n+++ b/b.c\n@@@ -1,1 -1,1 +1,1 @@@\n++x\n", "x.patch, line 9: it has the combined diff of a merge"},
		"cut off":                {strings.TrimSuffix(change, " three\n"), `line 4: the diff is damaged: the hunk "@@ -1,3 +1,3 @@ int main(void)" is cut off`},
		"counts":                 {strings.Replace(change, "-1,3 +1,3", "-1,2 +1,2", 1) + "+more\n", `line 9: the diff is damaged: "+more" stands behind a hunk that is complete; the counts of the hunk`},
		"no last line end":       {strings.TrimSuffix(change, "\n"), "git cannot read its diff: corrupt patch at line"},
		"folded line":            {strings.Replace(change, "-two", "-tw\no", 1), `line 7: the diff is damaged: "o" belongs to no hunk`},
		"leaves the tree":        {strings.ReplaceAll(change, "a.c", "../../a.c"), `"../../a.c" leaves the tree`},
		"into .git":              {strings.ReplaceAll(change, "a.c", "x/../a.c"), `"x/../a.c" leaves the tree`},
		"submodule":              {"diff --git a/s b/s\nnew file mode 160000\nindex 0000000..1234567\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+Subproject commit 1234567890123456789012345678901234567890\n", "x.patch, line 1: s is a submodule"},
		"binary left out":        {change + "diff --git a/b.bin b/b.bin\nindex 1234567..2345678 100644\nBinary files a/b.bin and b/b.bin differ\n", `x.patch, line 9: the change of the binary file b.bin is not in the patch; make it again by "git format-patch --binary"`},
		"no prefix":              {noPrefix(change), `x.patch, line 1: the path "kernel/a.c" has no prefix such as a/ or b/: the patch was made with --no-prefix`},
		"no prefix, no git":      {noPrefix(plain), `the path "kernel/a.c" has no prefix`},
		"no prefix, old copy":    {strings.Replace(noPrefix(plain), "kernel/a.c", "kernel/a.c.orig", 1), `the path "kernel/a.c" has no prefix`},
		"no prefix, new file":    {"diff --git kernel/n.c kernel/n.c\nnew file mode 100644\n" + created, `the path "kernel/n.c" has no prefix`},
		"no prefix, only a name": {created, `the path "kernel/n.c" has no prefix`},
		"no prefix, rename":      {renamed, `the path "kernel/a.c" has no prefix`},
		"no prefix, no folder":   {noPrefix(strings.ReplaceAll(plain, "kernel/", "")), "x.patch"},
		"no prefix, mode":        {"diff --git kernel/a.c kernel/a.c\nold mode 100644\nnew mode 100755\n", `the path "kernel/a.c" has no prefix`},
		"no prefix, second file": {change + created, `x.patch, line 9: the path "kernel/n.c" has no prefix`},
		"absolute":               {strings.ReplaceAll(strings.ReplaceAll(plain, "a/a.c", "/home/a/a.c"), "b/a.c", "kernel/a.c"), `has no prefix`},
	} {
		_, err := loadOne(t, tc.text)
		_, build := errors.AsType[*blame.BuildError](err)
		_, usage := errors.AsType[*blame.UsageError](err)
		if err == nil || !build && !usage || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, tc.want)
		}
	}
}

// Other prefixes than a/ and b/ are as good, if they can be told from folders.
func TestPrefixes(t *testing.T) {
	for name, text := range map[string]string{
		"mnemonic":      strings.NewReplacer("a/a.c", "i/a.c", "b/a.c", "w/a.c").Replace(change),
		"trees":         strings.NewReplacer("a/a.c", "linux-6.12.orig/a.c", "b/a.c", "linux-6.12/a.c").Replace(change),
		"new file":      "diff --git old/a.c new/a.c\nnew file mode 100644\n--- /dev/null\n+++ new/a.c\n@@ -0,0 +1 @@\n+int a;\n",
		"quoted":        strings.NewReplacer("a/a.c", `"a/\303\274.c"`, "b/a.c", `"b/\303\274.c"`).Replace(change),
		"spaces":        strings.NewReplacer("--- a/a.c", "--- a/a b.c\t", "+++ b/a.c", "+++ b/a b.c\t", "a/a.c", "a/a b.c", "b/a.c", "b/a b.c").Replace(change),
		"with a date":   strings.NewReplacer("--- a/a.c", "--- l.orig/a.c\t2026-11-22 10:00:00 +0000", "+++ b/a.c", "+++ l/a.c\t2026-11-22 10:00:00 +0000").Replace(change[strings.Index(change, "---"):]),
		"rename":        "diff --git a/x y.c b/a.c\nsimilarity index 100%\nrename from x y.c\nrename to a.c\n",
		"quoted rename": "diff --git \"a/\\303\\274.c\" \"b/\\303\\266.c\"\nsimilarity index 100%\nrename from \"\\303\\274.c\"\nrename to \"\\303\\266.c\"\n",
	} {
		if _, err := loadOne(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
