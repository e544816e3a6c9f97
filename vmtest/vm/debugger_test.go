// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hugelgupf/vmtest/qemu"
)

// stub answers like QEMU's debugger, one answer for each packet, and then
// closes the port. It returns what it was asked.
func stub(t *testing.T, theirs *os.File, answers []string) <-chan []string {
	t.Helper()
	c, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan []string, 1)
	go func() {
		defer c.Close()
		var packets []string
		r := bufio.NewReader(c)
		for _, answer := range answers {
			packet, err := r.ReadString('#')
			if err != nil {
				break
			}
			if _, err := r.Discard(2); err != nil {
				break
			}
			packets = append(packets, strings.Trim(packet, "+$#"))
			if answer == "corrupt" {
				fmt.Fprint(c, "+$OK#00")
				continue
			}
			fmt.Fprintf(c, "+$%s#%02x", answer, checksum(answer))
		}
		asked <- packets
	}()
	return asked
}

func TestDebuggerPresets(t *testing.T) {
	all := []string{"Z1,ffffffff81963ff0,1", "c", "Mffffffff81a00ec0,4:00093d00", "z1,ffffffff81963ff0,1", "D"}
	for name, tc := range map[string]struct {
		answers []string
		asked   int
		want    string // in the error; "": none
	}{
		"goes on":              {[]string{"OK", "T05thread:01;", "OK", "OK", "OK"}, 5, ""},
		"no such guest memory": {[]string{"OK", "T05thread:01;", "E14"}, 3, `answers "E14" to "Mffffffff81a00ec0,4:00093d00", want OK`},
		"no breakpoints":       {[]string{""}, 1, `answers "" to "Z1,`},
		"garbled":              {[]string{"corrupt"}, 1, "checksum"},
		"QEMU ends before":     {nil, 0, ""},
		"QEMU ends meanwhile":  {[]string{"OK"}, 1, ""},
		"the guest powers off": {[]string{"OK", "W00"}, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := newDebugger(new(qemu.Options))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			asked := stub(t, d.theirs, tc.answers)
			err = d.apply(preset{at: 0xffffffff81963ff0, variable: 0xffffffff81a00ec0, value: 4_000_000})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if got := <-asked; !slices.Equal(got, all[:tc.asked]) {
				t.Errorf("asked %q, want %q", got, all[:tc.asked])
			}
		})
	}
}

// There is no preset for a program that lacks the kernel's symbols. A file that
// is no program is an error.
func TestAPICPeriodOfOthers(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := apicPeriod(self, 250); p != nil || err != nil {
		t.Errorf("of this test: got %v, %v, want none", p, err)
	}
	if p, err := apicPeriod(os.DevNull, 250); p != nil || err == nil {
		t.Errorf("of %s: got %v, %v, want an error", os.DevNull, p, err)
	}
}
