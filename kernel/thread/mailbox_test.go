// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"encoding/base64"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// mailOf is a mail as it lies in a mailbox.
func mailOf(subject, body string, headers ...string) string {
	return "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: =?UTF-8?q?J=C3=B6rg?= <j@example.org>\nDate: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: " + subject +
		"\n" + strings.Join(append(headers, ""), "\n") + "\n" + body + "\n"
}

func partOf(file string) string { return "Why.\n---\n" + strings.ReplaceAll(change, "a.c", file) }

const change = hosttest.Change

func loadMails(t *testing.T, mails string) ([]patch.Patch, error) {
	t.Helper()
	dir := hosttest.Folder(t, map[string]string{"x.mbox": mails})
	thread, err := Load(t.Context(), sandbox.Box{}, filepath.Join(dir, "x.mbox"), Options{})
	if err == nil && thread.File != filepath.Join(dir, "x.mbox") {
		t.Errorf("the mailbox is called %s", thread.File)
	}
	return thread.Patches, err
}

func TestLoad(t *testing.T) {
	one, two := mailOf("[PATCH v2 1/2] one", partOf("1.c")), mailOf("[PATCH v2 2/2] two", partOf("2.c"))
	cover := mailOf("[PATCH v2 0/2] cover", "Text.\n")
	qp := strings.NewReplacer("=", "=3D", "Why", "=57hy", "one\n", "o=\nne\n").Replace(partOf("1.c"))
	b64 := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(partOf("2.c"), "\n", "\r\n")))
	for name, mails := range map[string]string{
		"in order":     cover + one + two,
		"out of order": two + cover + one,
		"replies":      one + mailOf("Re: [PATCH v2 1/2] one", "> diff --git a/1.c b/1.c\n> --- a/1.c\n> +++ b/1.c\nNo.\n") + two,
		"same mail by two lists": mailOf("[PATCH v2 1/2] one", partOf("1.c"), "Message-Id: <1@x>") +
			mailOf("[PATCH v2 1/2] one", partOf("1.c"), "Message-Id: <1@x>") + two,
		"no numbers":    mailOf("[PATCH] one", partOf("1.c")) + mailOf("[PATCH] two", partOf("2.c")),
		"one version":   mailOf("[RFC PATCH v2] one", partOf("1.c")) + mailOf("[RFC PATCH v2] two", partOf("2.c")),
		"no tags":       mailOf("one", partOf("1.c")) + mailOf("two", partOf("2.c")),
		"other mails":   mailOf("[PATCHSET] cover", "Text.\n") + mailOf("[ANNOUNCE] news", "Text.\n") + one + mailOf("Re: [PATCH] three", "No.\n") + two,
		"leading zeros": mailOf("[PATCH 01/02] one", partOf("1.c")) + mailOf("[PATCH 02/02] two", partOf("2.c")),
		"folded":        mailOf("[PATCH v2\n 1/2] one", partOf("1.c")) + two,
		"CRLF":          strings.ReplaceAll(cover+one+two, "\n", "\r\n"),
		"encoded": mailOf("=?UTF-8?q?=5BPATCH_v2_1/2=5D?= one", qp, "MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: quoted-printable") +
			mailOf("[PATCH v2 2/2] two", b64, "MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: base64"),
	} {
		patches, err := loadMails(t, mails)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range patches {
			got = append(got, p.Name, p.Subject, strings.Join(p.Touches(), " "))
		}
		want := []string{"0001-one.patch", "one", "1.c", "0002-two.patch", "two", "2.c"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: it holds %q, want %q", name, got, want)
			continue
		}
		text := string(patches[0].Text)
		if !strings.HasPrefix(text, "From 0000000000000000000000000000000000000000 ") || strings.Contains(text, "\r") ||
			!strings.Contains(text, "\nFrom: Jörg <j@example.org>\nDate: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: [PATCH] one\n\nWhy.\n---\ndiff --git ") {
			t.Errorf("%s: the patch is\n%s", name, text)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	part := func(subject string) string { return mailOf(subject, partOf("1.c")) }
	for name, tc := range map[string]struct{ mails, want string }{
		"no patch":        {mailOf("[PATCH 0/2] cover", "Text.\n"), "none of its 1 mails holds a patch"},
		"missing":         {part("[PATCH 1/3] one") + part("[PATCH 3/3] three"), "part 2 of 3 is missing"},
		"last missing":    {part("[PATCH 1/2] one"), "part 2 of 2 is missing"},
		"doubled":         {part("[PATCH 1/2] one") + part("[PATCH 2/2] two") + part("[PATCH 2/2] too"), `part 2 of 2 is there twice: "[PATCH 2/2] two" (mail 2) and "[PATCH 2/2] too" (mail 3)`},
		"two versions":    {part("[PATCH 1/2] one") + part("[PATCH v2 2/2] two"), "are not of one series"},
		"two series":      {part("[PATCH 1/2] one") + part("[PATCH 2/3] two"), "are not of one series"},
		"without number":  {part("[PATCH 1/1] one") + part("[PATCH] two"), `"[PATCH] two" holds a patch without a number`},
		"unnumbered too":  {part("[PATCH 0/0] zero") + part("[PATCH 1/1] one"), "without a number"},
		"cover as patch":  {part("[PATCH 0/1] zero") + part("[PATCH 1/1] one"), "there is no part 0 of 1"},
		"beyond":          {part("[PATCH 2/1] two"), "there is no part 2 of 1"},
		"huge":            {part("[PATCH 1/99999999999999999999] one"), "no series has"},
		"attached":        {part("[PATCH] one") + mailOf("[PATCH] two", "See the attachment.\n"), `"[PATCH] two" holds no patch, `},
		"attached alone":  {mailOf("[patchv2] one", "See the attachment.\n"), `"[patchv2] one" holds no patch, `},
		"attached part":   {part("[PATCH 1/2] one") + mailOf("[PATCH 2/2] two", "See the attachment.\n"), `"[PATCH 2/2] two" holds no patch, `},
		"flowed":          {mailOf("[PATCH] one", partOf("1.c"), "Content-Type: text/plain; charset=UTF-8; format=flowed"), "format=flowed"},
		"no mail":         {"nothing\n", "it holds no mail"},
		"unknown charset": {mailOf("=?x-none?q?one?=", partOf("1.c")), `x.mbox, mail 1: "=?x-none?q?one?=" cannot be decoded: cannot convert from x-none to UTF-8`},
	} {
		_, err := loadMails(t, tc.mails)
		var usage *blame.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a UsageError that says %q", name, err, tc.want)
		}
	}
	if _, err := loadMails(t, mailOf("[PATCH] one", strings.Replace(partOf("1.c"), "+TWO\n three\n", "", 1))); err == nil {
		t.Error("a patch that is cut off was taken")
	}
	var usage *blame.UsageError
	if _, err := Load(t.Context(), sandbox.Box{}, "./absent.mbox", Options{}); !errors.As(err, &usage) {
		t.Errorf("no mailbox: got %v, want a UsageError", err)
	}
}

// A mail that carries no patch never ends the load of a mailbox, whatever it is.
func TestMailboxLeavesOut(t *testing.T) {
	one, two := mailOf("[PATCH 1/2] one", partOf("1.c")), mailOf("[PATCH 2/2] two", partOf("2.c"))
	page := "<pre>\n" + change + "</pre>\n"
	for name, mail := range map[string]string{
		"gb2312":            mailOf("=?gb2312?B?u9i4tDogW1BBVENIIDEvMl0gb25l?=", "Fine.\n"),
		"unknown charset":   mailOf("=?x-none?q?Re:_one?=", "Fine \xe9.\n", "Content-Type: text/plain; charset=x-none"),
		"damaged header":    strings.Replace(mailOf("Re: [PATCH 1/2] one", "Fine.\n"), "\nDate:", "\n>From x\n no field\nDate:", 1),
		"no header":         "From mboxrd@z Thu Jan  1 00:00:00 1970\n\nFine.\n\n",
		"unreadable date":   strings.Replace(mailOf("Re: [PATCH 1/2] one", "Fine.\n"), "Sun, 22 Nov", "Noday, 99 Nevember", 1),
		"quoted diff":       mailOf("Re: [PATCH 1/2] one", "> "+strings.ReplaceAll(change, "\n", "\n> ")+"\nNo.\n"),
		"quoted hunk":       mailOf("Re: [PATCH 1/2] one", "---\n@@ -1,3 +1,3 @@ int main(void)\n\nNo.\n"),
		"web page":          mailOf("Re: [PATCH 1/2] one", page, "Content-Type: text/html; charset=utf-8"),
		"web page beside":   mailOf("Re: [PATCH 1/2] one", "--b\nContent-Type: text/plain\n\nFine.\n\n--b\nContent-Type: text/html\n\n"+page+"\n--b--\n", "MIME-Version: 1.0", "Content-Type: multipart/alternative; boundary=b"),
		"picture":           mailOf("Re: [PATCH 1/2] one", "--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n\n--b--\n", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"),
		"damaged base64":    mailOf("Re: [PATCH 1/2] one", "====\xff\n", "Content-Transfer-Encoding: base64"),
		"cover":             mailOf("[PATCH 0/2] cover", "Text.\n---\n a.c | 2 +-\n 1 file changed\n"),
		"interdiff":         mailOf("[PATCH 0/2] cover", "Text.\n\nInterdiff against v1:\n"+change),
		"flowed reply":      mailOf("Re: [PATCH 1/2] one", "Fine.\n", "Content-Type: text/plain; format=flowed"),
		"reply, other word": mailOf("AW: [PATCH 1/2] one", "Gut.\n"),
		"very long":         mailOf("Re: [PATCH 1/2] one", strings.Repeat(strings.Repeat("long ", 100)+"\n", 2000)),
	} {
		patches, err := loadMails(t, mail+one+mail+two+mail)
		if err != nil || len(patches) != 2 || patches[0].Subject != "one" || patches[1].Subject != "two" {
			t.Errorf("%s: got %d patches, %v", name, len(patches), err)
		}
	}
}

// What a patch says of itself is as git mailinfo decodes it.
func TestMailboxDecodes(t *testing.T) {
	utf7 := strings.Replace(partOf("a.c"), "Why.", "W+APY-rd.", 1)
	for name, mail := range map[string]string{
		"subject":       mailOf("=?ISO-8859-15?Q?=5BPATCH=5D_w=F6rd?=", strings.Replace(partOf("a.c"), "Why.", "Wörd.", 1)),
		"latin1":        mailOf("[PATCH] =?iso-8859-1?q?w=F6rd?=", strings.Replace(partOf("a.c"), "Why.", "W\xf6rd.", 1), "Content-Type: text/plain; charset=iso-8859-1"),
		"utf-7":         mailOf("[PATCH] =?utf-8?q?w=C3=B6rd?=", utf7, "Content-Type: text/plain; charset=utf-7"),
		"in-body":       mailOf("[PATCH] other", "Subject: [PATCH] wörd\n\n"+strings.Replace(partOf("a.c"), "Why.", "Wörd.", 1)),
		"no empty line": strings.TrimRight(mailOf("[PATCH] =?utf-8?q?w=C3=B6rd?=", strings.Replace(partOf("a.c"), "Why.", "Wörd.", 1)), "\n") + "\n",
	} {
		patches, err := loadMails(t, mail+mailOf("Re: x", "Fine.\n"))
		if err != nil || len(patches) != 1 {
			t.Errorf("%s: got %d patches, %v", name, len(patches), err)
			continue
		}
		p := patches[0]
		if p.Subject != "wörd" || p.Changelog != "Wörd." && p.Changelog != "Word." || p.Author != "Jörg <j@example.org>" || string(p.Diff) != change {
			t.Errorf("%s: subject %q, changelog %q, author %q, diff\n%s", name, p.Subject, p.Changelog, p.Author, p.Diff)
		}
	}
}
