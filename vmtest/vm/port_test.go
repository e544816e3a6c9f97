// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"io"
	"sync"
	"testing"
)

// A UART is idle when all that the guest wrote was read, and whoever read it has asked for more.
func TestUARTIdle(t *testing.T) {
	u, err := newUART()
	if err != nil {
		t.Fatal(err)
	}
	p := ports{console: u}
	defer p.close()
	idle := func(want bool, when string) {
		t.Helper()
		if got := u.idle(); got != want {
			t.Errorf("%s: idle is %v", when, got)
		}
	}
	write := func(text string) {
		t.Helper()
		if _, err := u.theirOut.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	read := func(want string) {
		t.Helper()
		b := make([]byte, 3)
		if n, err := u.Read(b); string(b[:n]) != want || want != "" && err != nil || want == "" && err != io.EOF {
			t.Errorf("read %q, %v, want %q", b[:n], err, want)
		}
	}
	idle(true, "nothing was written")
	write("12345")
	idle(false, "nothing was read")
	read("123")
	idle(false, "a part was read")
	read("45")
	idle(false, "nobody has asked for more")
	if err := u.finish(); err != nil {
		t.Fatal(err)
	}
	read("")
	idle(true, "somebody has asked for more")
	write("6")
	idle(false, "more was written")
	read("6") // after finish it reads what is left
	read("")
	idle(true, "all was read")
}

// What the guest writes before finish is read, also if finish comes while the reader waits or wakes.
func TestUARTFinish(t *testing.T) {
	const said = "the last line of a guest that dies\n"
	for range 5000 {
		u, err := newUART()
		if err != nil {
			t.Fatal(err)
		}
		p := ports{console: u}
		var got []byte
		var reader sync.WaitGroup
		reader.Go(func() { got, err = io.ReadAll(u) })
		for _, part := range []string{said[:10], said[10:]} {
			if _, err := u.theirOut.WriteString(part); err != nil {
				t.Error(err)
			}
		}
		if err := u.finish(); err != nil {
			t.Error(err)
		}
		reader.Wait()
		p.close()
		if string(got) != said || err != nil {
			t.Fatalf("read %q, %v, want %q", got, err, said)
		}
	}
}
