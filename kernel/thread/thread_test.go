// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

// post is a mail of a thread.
type post struct {
	id, above string // Message-Id, and those that it answers: "c 1"; "old" begins that of an older mail
	subject   string
	body      string
	by        string // first letter of the sender's address; "" is a, the author
}

// part has the change of a file.
func part(id, above, subject, file string) post { return post{id, above, subject, partOf(file), ""} }

func (p post) String() string {
	who := map[string]string{"": "Ann Author <a@example.org>", "b": "Bob Reviewer <b@example.org>", "c": `"Tester, Cy" <c@lists.example.org>`}[p.by]
	day := "Sun, 22"
	if strings.HasPrefix(p.id, "old") {
		day = "Sat, 21"
	}
	head := "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: " + who + "\nDate: " + day + " Nov 2026 10:00:00 +0000\nSubject: " + p.subject + "\n"
	if p.id != "" {
		head += "Message-ID: <" + p.id + "@x>\n"
	}
	if above := strings.Fields(p.above); len(above) > 0 {
		head += "In-Reply-To: <" + above[len(above)-1] + "@x>\nReferences: <" + strings.Join(above, "@x>\n <") + "@x>\n"
	}
	return head + "\n" + p.body + "\n"
}

// threads has what is read of each mailbox: all are given to git at once, for time.
func threads(t *testing.T, mailboxes [][]post) [][]message {
	t.Helper()
	var texts []patch.Named
	for _, posts := range mailboxes {
		text := ""
		for _, p := range posts {
			text += p.String()
		}
		texts = append(texts, patch.Named{Name: "/x.mbox", Text: []byte(text)})
	}
	read, err := patch.ReadMails(t.Context(), sandbox.Box{}, texts)
	if err != nil {
		t.Fatal(err)
	}
	all := make([][]message, len(read))
	for i, mails := range read {
		if len(mails) != len(mailboxes[i]) {
			t.Fatalf("mailbox %d has %d mails, want %d", i, len(mails), len(mailboxes[i]))
		}
		all[i] = messagesOf(mails)
	}
	return all
}

// twoParts has a cover letter and two parts, whose Message-Ids begin with id.
func twoParts(id, above, tag string) []post {
	cover := strings.TrimSpace(above + " " + id + "0")
	return []post{
		{id + "0", above, "[" + tag + " 0/2] a: cover", "Text.\n", ""},
		part(id+"1", cover, "["+tag+" 1/2] a: one", id+"1.c"),
		part(id+"2", cover, "["+tag+" 2/2] a: two", id+"2.c"),
	}
}

func TestThreads(t *testing.T) {
	v1, v2 := twoParts("p", "", "PATCH"), twoParts("q", "p0", "PATCH v2")
	apart := twoParts("q", "", "PATCH v2") // a thread of its own
	who := ", from Bob Reviewer <b@example.org>"
	others := twoParts("r", "p0", "PATCH")
	for i := range others {
		others[i].by, others[i].subject = "b", strings.Replace(others[i].subject, "a:", "b:", 1)
	}
	besides := "; 4 patch in reply" + who + "; 5 patch in reply" + who + "; 6 patch in reply" + who
	diff := "Better:\n\n" + change
	covered := "1 cover letter"
	older := "1 older version, v1; 2 older version, v1; 3 older version, v1; "
	with := func(posts []post, more ...post) []post { return slices.Concat(posts, more) }
	cases := []struct {
		name    string
		posts   []post
		version string
		taken   string // mails
		left    string
	}{
		{"plain", v1, "v1", "2 3", covered},
		{"reply", with(v1, post{"r", "p0 p1", "Re: [PATCH 1/2] a: one", "Fine.\n", "b"}), "v1", "2 3", covered + "; 4 reply"},
		{"reply with a diff", with(v1, post{"r", "p0 p1", "Re: [PATCH 1/2] a: one", diff, "b"}), "v1", "2 3", covered + "; 4 reply with a diff" + who},
		{"AW", with(v1, post{"r", "p0 p1", "AW: [PATCH 1/2] a: one", diff, "b"}), "v1", "2 3", covered + "; 4 reply with a diff" + who},
		{"Antw", with(v1, post{"r", "", "Antw: Re: one", diff, "b"}), "v1", "2 3", covered + "; 4 reply with a diff" + who},
		{"other script", with(v1, post{"r", "", "回复：[PATCH 1/2] a: one", diff, "b"}), "v1", "2 3", covered + "; 4 reply with a diff" + who},
		{"subset", with(v1, post{"r", "p0", "Re: (subset) [PATCH 0/2] a: cover", "Applied.\n", "b"}), "v1", "2 3", covered + "; 4 reply"},
		{"other subject", with(v1, post{"r", "p0 p1", "what about this", diff, "b"}), "v1", "2 3", covered + "; 4 reply with a diff" + who},
		{"tip", with(v1, post{"r", "p1", "[tip: timers/core] a: One", partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"stable", with(v1, post{"r", "", `Patch "a: one" has been added to the 6.12-stable tree`, partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"not stable", with(v1, post{"r", "", `FAILED: patch "[PATCH] a: one" failed to apply to 6.12-stable tree`, partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"mm", with(v1, post{"r", "", "+ a-one.patch added to mm-unstable branch", partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"merged", with(v1, post{"r", "", "[merged mm-stable] a-one.patch removed from -mm tree", partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"syzbot", with(v1, post{"r", "p0", "[syzbot ci] Re: a: cover", diff, "b"}), "v1", "2 3", covered + "; 4 notice"},
		{"announcement", with(v1, post{"r", "", "[ANNOUNCE] news", "Text.\n", "b"}), "v1", "2 3", covered + "; 4 no patch"},
		{"revert", with(v1, part("r", "p0 p1", `[PATCH] Revert "a: one"`, "p1.c")), "v1", "2 3", covered + "; 4 revert, of mail 2"},
		{"somebody's patch", with(v1, post{"r", "p0 p1", "[PATCH] a: mend one", partOf("p1.c"), "b"}), "v1", "2 3", covered + "; 4 patch in reply" + who},
		{"on one patch", []post{part("p1", "", "[PATCH] a: one", "1.c"), {"r", "p1", "[PATCH] a: mend one", partOf("p1.c"), "b"}}, "v1", "1", "2 patch in reply" + who},
		{"follow-up", with(v1, others...), "v1", "2 3", covered + besides},
		{"twice", with(v1, v1[1]), "v1", "2 3", covered + "; 4 same mail again, as mail 2"},
		{"twice, once without", with([]post{{"p1", "p0", "[PATCH 1/2] a: one", "Cut off.\n", ""}}, v1...), "v1", "3 4", "1 same mail again, as mail 3; 2 cover letter"},
		{"v2", with(v1, v2...), "v2", "5 6", older + "4 cover letter"},
		{"v2 first", with(v2, v1...), "v2", "2 3", "1 cover letter; 4 older version, v1; 5 older version, v1; 6 older version, v1"},
		{"v2 apart", with(v1, apart...), "v2", "5 6", older + "4 cover letter"},
		{"v1 lacks a part", with(v1[:2:2], v2...), "v2", "4 5", "1 older version, v1; 2 older version, v1; 3 cover letter"},
		{"v1 attached", with([]post{{"p1", "", "[PATCH] a: one", "See there.\n", ""}}, part("q1", "p1", "[PATCH v2] a: one", "1.c")), "v2", "2", "1 older version, v1"},
		{"v10", with(twoParts("p", "", "PATCH v9"), twoParts("q", "p0", "PATCH v10")...), "v10", "5 6", "1 older version, v9; 2 older version, v9; 3 older version, v9; 4 cover letter"},
		{"PATCHv2", with(v1, twoParts("q", "p0", "PATCHv2")...), "v2", "5 6", older + "4 cover letter"},
		{"resent", with(v1, twoParts("q", "p0", "PATCH RESEND")...), "v1 RESEND", "5 6", older + "4 cover letter"},
		{"resent v1 and v2", slices.Concat(twoParts("s", "p0", "PATCH RESEND"), v2, v1), "v2", "5 6", "1 older version, v1 RESEND; 2 older version, v1 RESEND; 3 older version, v1 RESEND; 4 cover letter; 7 older version, v1; 8 older version, v1; 9 older version, v1"},
		{"other list in the tag", with(v1, twoParts("q", "p0", "PATCH net-next v2")...), "v2", "5 6", older + "4 cover letter"},
		{"no RFC any more", with(twoParts("old", "", "RFC PATCH v2"), twoParts("q", "old0", "PATCH")...), "v1", "5 6", "1 older version, RFC v2; 2 older version, RFC v2; 3 older version, RFC v2; 4 cover letter"},
		{"change-id", []post{{"p1", "", "[PATCH] a: one", partOf("1.c") + "\nchange-id: 20261122-one\n", ""}, {"q1", "", "[PATCH v2] a: other", partOf("2.c") + "\nchange-id: 20261122-one\n", ""}}, "v2", "2", "1 older version, v1"},
		{"renamed, in one thread", []post{part("p1", "", "[PATCH] a: one", "1.c"), part("q1", "p1", "[PATCH v2] b: other", "2.c")}, "v2", "2", "1 older version, v1"},
		{"one grew", with([]post{part("p1", "", "[PATCH] a: one", "1.c")}, v2...), "v2", "3 4", "1 older version, v1; 2 cover letter"},
		{"a part again", with(v1, part("q2", "p0 p2", "[PATCH v2 2/2] a: two", "q2.c")), "v2", "2 4", "1 older version, v1; 3 older version, v1"},
		{"v2.1", with(v2, part("s1", "q0 q1", "[PATCH v2.1 1/2] a: one", "s1.c")), "v2.1", "4 3", "1 older version, v2; 2 older version, v2"},
		{"parts again and again", with(v1, part("q2", "p0 p2", "[PATCH v2 2/2] a: two", "q2.c"), part("s1", "p0 p1", "[PATCH v3 1/2] a: one", "s1.c")), "v3", "5 4", older[:len(older)-2]},
		{"no thread", []post{part("p1", "", "[PATCH 1/2] a: one", "1.c"), part("p2", "", "[PATCH 2/2] a: two", "2.c")}, "v1", "1 2", ""},
		{"no numbers", []post{part("p1", "", "[PATCH] a: one", "1.c"), part("p2", "p1", "[PATCH] a: two", "2.c")}, "v1", "1 2", ""},
		{"no tags", []post{part("p1", "", "a: one", "1.c"), part("p2", "p1", "a: two", "2.c")}, "v1", "1 2", ""},
	}
	var mailboxes [][]post
	for _, tc := range cases {
		mailboxes = append(mailboxes, tc.posts)
	}
	for i, messages := range threads(t, mailboxes) {
		tc := cases[i]
		got, parts, err := threadOf("/x.mbox", messages)
		var taken, left []string
		for n, part := range got.Taken {
			taken = append(taken, fmt.Sprint(part.Mail))
			if parts[n].number != part.Mail {
				t.Errorf("%s: patch %d is of mail %d, and said to be of %d", tc.name, n+1, parts[n].number, part.Mail)
			}
		}
		for _, l := range got.Left {
			left = append(left, strings.TrimSuffix(fmt.Sprintf("%d %s, %s", l.Mail, l.Reason, l.Note), ", "))
		}
		if err != nil || got.Version != tc.version || strings.Join(taken, " ") != tc.taken || strings.Join(left, "; ") != tc.left {
			t.Errorf("%s: %s of mails %q, left %q, %v\nwant %s of %q, left %q", tc.name, got.Version, strings.Join(taken, " "), strings.Join(left, "; "), err, tc.version, tc.taken, tc.left)
		}
		if len(got.Left)+len(got.Taken) != got.Mails || got.Mails != len(tc.posts) {
			t.Errorf("%s: of %d mails %d are taken and %d left", tc.name, len(tc.posts), len(got.Taken), len(got.Left))
		}
	}
}

func TestThreadsRefused(t *testing.T) {
	v1, v2 := twoParts("p", "", "PATCH"), twoParts("q", "p0", "PATCH v2")
	named := func(posts []post, from, to, by string) []post {
		posts = slices.Clone(posts)
		for i := range posts {
			posts[i].by, posts[i].subject = by, strings.Replace(posts[i].subject, from, to, 1)
		}
		return posts
	}
	mixed := slices.Concat(v1, named(twoParts("r", "", "PATCH"), "a:", "b:", "b"))
	cases := []struct {
		name  string
		posts []post
		want  string
	}{
		{"two series", mixed, `"[PATCH 0/2] a: cover" (mail 1) and "[PATCH 0/2] b: cover" (mail 4) are not of one series; take one of them: type "b4 am -o- p0@x" or "b4 am -o- r0@x"`},
		{"two halves", slices.Concat(v1[:2], mixed[5:]), `are not of one series`},
		{"two patches", []post{part("p1", "", "[PATCH] a: one", "1.c"), part("r1", "", "[PATCH] b: one", "2.c")}, `"[PATCH] a: one" (mail 1) and "[PATCH] b: one" (mail 2) are not of one series`},
		{"two series, other versions", slices.Concat(v1, named(twoParts("r", "", "PATCH v3"), "a:", "b:", "b")), `are not of one series`},
		{"twice v1", slices.Concat(v1, twoParts("r", "p0", "PATCH")), `part 1 of 2 is there twice: "[PATCH 1/2] a: one" (mail 2) and "[PATCH 1/2] a: one" (mail 5)`},
		{"same again, no version", []post{part("p1", "", "[PATCH] a: one", "1.c"), part("r1", "p1", "[PATCH] a: one", "2.c")}, `"[PATCH] a: one" is there twice, in mails 1 and 2`},
		{"one Message-Id, two patches", slices.Concat(v1, []post{part("p2", "p0", "[PATCH 2/2] a: two", "other.c")}), "part 2 of 2 is there twice"},
		{"a part is missing", v1[:2], `part 2 of 2 is missing, behind "[PATCH 1/2] a: one" (mail 2); fetch the whole thread: type "b4 am -o- p0@x | vmtest run -series -"`},
		{"the first is missing", v1[2:], `part 1 of 2 is missing, before "[PATCH 2/2] a: two" (mail 1); fetch`},
		{"a strange Message-Id", []post{part("p;reboot", "", "[PATCH 1/2] a: one", "1.c")}, `type "b4 am -o- 'p;reboot@x' | vmtest`},
		{"most are missing", []post{part("p2", "p0", "[PATCH 2/4] a: two", "1.c")}, `part 1 of 4 is missing, before "[PATCH 2/4] a: two" (mail 1), and 2 more`},
		{"v2 lacks a part", slices.Concat(v1, v2[:2]), `part 2 of 2 of v2 is missing, behind "[PATCH v2 1/2] a: one" (mail 5); v1 is whole: to test it, type "b4 am -v 1 -m /x.mbox -o- | vmtest run -series -"`},
		{"v2 has a cover letter alone", slices.Concat(v1, v2[:1]), `part 1 of 2 of v2 is missing, and 1 more; v1 is whole`},
		{"v2 is an answer to another part", slices.Concat(v1, []post{part("q2", "p0 p1", "[PATCH v2 2/2] a: two", "q2.c")}), `part 1 of 2 of v2 is missing`},
		{"both lack parts", slices.Concat(v1[:2], v2[:2]), `part 2 of 2 of v2 is missing, behind "[PATCH v2 1/2] a: one" (mail 4); fetch the whole thread: type "b4 am -o- q0@x`},
		{"RESEND lacks a part", slices.Concat(v1, twoParts("q", "p0", "PATCH RESEND")[:2]), `part 2 of 2 of v1 RESEND is missing, behind "[PATCH RESEND 1/2] a: one" (mail 5); v1 is whole: to test it`},
		{"RFC and not, at one time", slices.Concat(v1, twoParts("q", "p0", "RFC PATCH")), "are not of one series"},
		{"attached", []post{v1[0], v1[1], {"p2", "p0", "[PATCH 2/2] a: two", "See there.\n", ""}}, `mail 3: "[PATCH 2/2] a: two" holds no patch`},
		{"a cover letter and replies", []post{v1[0], {"r", "p0", "Re: [PATCH 0/2] a: cover", "Fine.\n", "b"}}, `none of its 2 mails holds a patch, and "[PATCH 0/2] a: cover" announces 2; fetch the whole thread: type "b4 am -o- p0@x`},
		{"a reply with a diff alone", []post{{"r", "p0", "Re: [PATCH 0/2] a: cover", change, "b"}}, `mail 1, "Re: [PATCH 0/2] a: cover", has a diff: save that mail as a file .patch`},
		{"no tag among tags", slices.Concat(v1, []post{part("r", "", "b: one", "1.c")}), "are not of one series"},
	}
	var mailboxes [][]post
	for _, tc := range cases {
		mailboxes = append(mailboxes, tc.posts)
	}
	for i, messages := range threads(t, mailboxes) {
		if _, _, err := threadOf("/x.mbox", messages); err == nil || !strings.Contains(err.Error(), cases[i].want) {
			t.Errorf("%s: got %v, want an error that says %q", cases[i].name, err, cases[i].want)
		}
	}
}

func TestTrailersOfReplies(t *testing.T) {
	signed := post{"p1", "", "[PATCH] a: one", strings.Replace(partOf("1.c"), "Why.\n", "Why.\n\nAcked-by: Cy Tester <c@example.org>\nSigned-off-by: Ann Author <a@example.org>\n", 1), ""}
	reply := func(by, body string) []post { return []post{signed, {"r", "p1", "Re: [PATCH] a: one", body, by}} }
	v1, v2 := twoParts("p", "", "PATCH"), twoParts("q", "p0", "PATCH v2")
	v2[1].body = v1[1].body // part 1 did not change
	bobs := "Reviewed-by: Bob Reviewer <b@example.org>"
	gives := func(above string) post { return post{"r", above, "Re: [PATCH 1/2] a: one", bobs + "\n", "b"} }
	cases := []struct {
		name  string
		posts []post
		want  string // mail: patches: line: why not
	}{
		{"given", reply("b", "> Why.\n\n"+bobs+"\n"), "2: [1]: " + bobs},
		{"quoted", reply("b", "> "+bobs+"\nFine.\n"), ""},
		{"below the signature", reply("b", "Fine.\n\n-- \n"+bobs+"\n"), ""},
		{"of somebody else", reply("b", "Acked-by: Dan Dev <d@example.org>\n"), "2: [1]: Acked-by: Dan Dev <d@example.org>: the mail is from Bob Reviewer <b@example.org>"},
		{"other address, same name", reply("b", "Acked-by: bob reviewer <bob@example.net>\n"), "2: [1]: Acked-by: bob reviewer <bob@example.net>"},
		{"plus address", reply("b", "Acked-by: B <b+kernel@example.org>\n"), "2: [1]: Acked-by: B <b+kernel@example.org>"},
		{"host below", reply("c", "Tested-by: Cy <c@example.org>\n"), "2: [1]: Tested-by: Cy <c@example.org>"},
		{"other host", reply("b", "Tested-by: Bob <b@b.a.example.org>\n"), "2: [1]: Tested-by: Bob <b@b.a.example.org>: the mail is from Bob Reviewer <b@example.org>"},
		{"no address", reply("b", "Acked-by: Bob Reviewer\n"), "2: [1]: Acked-by: Bob Reviewer: it has no address"},
		{"comment", reply("b", "Tested-by: Bob Reviewer <b@example.org> # x86\n"), "2: [1]: Tested-by: Bob Reviewer <b@example.org> # x86"},
		{"wrapped", reply("b", "Reviewed-by: Bob Reviewer\n<b@example.org>\n"), "2: [1]: " + bobs},
		{"mailto", reply("b", "Reviewed-by: Bob Reviewer <b@example.org<mailto:b@example.org>>\n"), "2: [1]: " + bobs},
		{"there already", reply("c", "acked-by: cy tester <c@example.org>\n"), ""},
		{"Fixes of anybody", reply("b", "Fixes: 123456789abc (\"b: two\")\n"), `2: [1]: Fixes: 123456789abc ("b: two")`},
		{"Fixes in words", reply("b", "Fixes: all of it\nNote: x@example.org\nCc: Dan Dev <d@example.org>\n"), ""},
		{"of the diff", reply("b", bobs+"\n\nSigned-off-by: Bob Reviewer <b@example.org>\n---\n"+change), "2: [1]: " + bobs},
		{"Signed-off-by of the author, forgotten", []post{v1[0], v1[1], v1[2], {"r", "p1", "Re: [PATCH 1/2] a: one", "Signed-off-by: Ann Author <a@example.org>\n", ""}}, "4: [1]: Signed-off-by: Ann Author <a@example.org>"},
		{"twice", slices.Concat(reply("b", bobs+"\n"), []post{{"r2", "p1 r", "Re: [PATCH] a: one", bobs + "\n", "b"}}), "2: [1]: " + bobs},
		{"deep below", slices.Concat(v1, []post{{"r1", "p0 p1", "Re: [PATCH 1/2] a: one", "Well.\n", ""}, {"r2", "p0 p1 r1", "Re: [PATCH 1/2] a: one", bobs + "\n", "b"}}), "5: [1]: " + bobs},
		{"cover letter", slices.Concat(v1, []post{gives("p0")}), "4: [1 2]: " + bobs},
		{"cover letter without a number", []post{{"p0", "", "[PATCHSET] a: cover", "Text.\n", ""}, v1[1], v1[2], gives("p0")}, "4: [1 2]: " + bobs},
		{"v1, same diff", slices.Concat(v1, v2, []post{gives("p0 p1")}), "7: [1]: " + bobs},
		{"v1, other diff", slices.Concat(v1, v2, []post{gives("p0 p2")}), "7: []: " + bobs + ": it is for v1 of the series (mail 3), which is another patch"},
		{"v1, cover letter", slices.Concat(v1, v2, []post{gives("p0")}), "7: []: " + bobs + ": it is for v1 of the series (mail 1), which is another patch"},
		{"no thread", slices.Concat(v1, []post{gives("")}), "4: []: " + bobs + ": the mail answers no patch of this mailbox"},
		{"in a circle", slices.Concat(v1, []post{{"r1", "r2", "Re: x", bobs + "\n", "b"}, {"r2", "r1", "Re: x", "Fine.\n", "b"}}), "4: []: " + bobs + ": the mail answers no patch of this mailbox"},
		{"to a notice", slices.Concat(v1, []post{{"n", "p1", "[tip: x] a: one", change + bobs + "\n", "b"}, gives("p0 p1 n")}), "5: []: " + bobs + ": it is for mail 4, which is not taken"},
	}
	var mailboxes [][]post
	for _, tc := range cases {
		mailboxes = append(mailboxes, tc.posts)
	}
	for i, messages := range threads(t, mailboxes) {
		thread, parts, err := threadOf("/x.mbox", messages)
		if err != nil {
			t.Errorf("%s: %v", cases[i].name, err)
			continue
		}
		var got []string
		for _, g := range thread.Trailers {
			got = append(got, strings.TrimSuffix(fmt.Sprintf("%d: %v: %s: %s", g.Mail, g.Patches, g.Text, g.Why), ": "))
		}
		if strings.Join(got, "\n") != cases[i].want {
			t.Errorf("%s: got %q, want %q", cases[i].name, strings.Join(got, "\n"), cases[i].want)
		}
		thread.takeTrailers(parts)
		for _, g := range thread.Trailers {
			if g.Taken != (g.Why == "") {
				t.Errorf("%s: %q is taken: %v", cases[i].name, g.Text, g.Taken)
			}
			for n, m := range parts {
				has := slices.Contains(strings.Split(string(m.Changelog), "\n"), g.Text)
				if has != (g.Taken && slices.Contains(g.Patches, n+1)) {
					t.Errorf("%s: patch %d has %q: %v", cases[i].name, n+1, g.Text, has)
				}
			}
		}
	}
}
