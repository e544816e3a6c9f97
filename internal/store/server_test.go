// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timens-vmtest/internal/store/storetest"
)

// serve starts a server for a test, and returns its address and how many requests it has had.
func serve(t *testing.T, h http.HandlerFunc) (address string, requests *atomic.Int64) {
	t.Helper()
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	requests = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL, requests
}

func answers(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
}

// A server that is slow, wrong or down costs a moment and one line, and is not asked again.
func TestServerFails(t *testing.T) {
	for what, tc := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"500":          {answers(500), "it answers GET with 500 Internal Server Error"},
		"503":          {answers(503), "503"},
		"unauthorized": {answers(401), "401 Unauthorized"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://u:secret@example.org/x", http.StatusFound)
		}, "302 Found, which leads to http://u:xxxxx@example.org/x; give that address"},
		"hangs": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "nothing moves for 200ms"},
		"hangs at length": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "nothing moves for 200ms"},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		}, "it takes longer than 2s"},
		"cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(what, func(t *testing.T) {
			var said says
			address, requests := serve(t, tc.handler)
			s := open(t, address)
			switch what {
			case "hangs", "hangs at length":
				s.limits.idle = 200 * time.Millisecond
			case "drips":
				s.limits.get = 2 * time.Second
			}
			if all := got(t, s, said.say, Key("kernel", "a"), everything); all != nil {
				t.Errorf("got %v", all)
			}
			if len(said) != 1 || !strings.Contains(said[0], tc.want) || !strings.HasPrefix(said[0], "the store "+address+": ") || !strings.HasSuffix(said[0], "; this kernel is made here, and the store is not asked again") {
				t.Errorf("it said %q, want %q", said, tc.want)
			}
			before := requests.Load()
			from, names := entryOf(t, files)
			if all := got(t, s, said.say, Key("kernel", "b"), everything); all != nil || s.Put(t.Context(), said.say, Key("kernel", "a"), "this kernel", from, names) {
				t.Error("a store that has failed is as good as new")
			}
			if err := s.Fetch(t.Context(), said.say, File{}, "a file", filepath.Join(from, "x")); err == nil || !strings.HasSuffix(err.Error(), "is not asked again") {
				t.Errorf("fetched: %v", err)
			}
			if requests.Load() != before || len(said) != 1 {
				t.Errorf("%d more requests, said %q", requests.Load()-before, said)
			}
		})
	}
}

// Nobody listens.
func TestServerIsDown(t *testing.T) {
	var said says
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	gone := httptest.NewServer(answers(404))
	gone.Close()
	if got(t, open(t, gone.URL), said.say, Key("kernel", "a"), everything); len(said) != 1 || !strings.Contains(said[0], "connection refused") {
		t.Errorf("it said %q", said)
	}
}

// A list whose body is cut off is damaged.
func TestServerCutsList(t *testing.T) {
	var said says
	address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "x")
	})
	if got(t, open(t, address), said.say, Key("kernel", "a"), everything); len(said) != 1 || !strings.Contains(said[0], "its list is cut off") {
		t.Errorf("it said %q", said)
	}
}

// A server that takes no kernel costs a moment and one line, and has no list of what it does not have.
func TestServerTakesNothing(t *testing.T) {
	for what, tc := range map[string]struct {
		put  http.HandlerFunc
		want string
	}{
		"full":      {answers(http.StatusInsufficientStorage), "it answers PUT with 507 Insufficient Storage"},
		"read-only": {answers(http.StatusMethodNotAllowed), "405 Method Not Allowed"},
		"hangs":     {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "nothing moves for 2s"},
		"cuts off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "302 Found"},
	} {
		t.Run(what, func(t *testing.T) {
			var said says
			dir := t.TempDir()
			var puts atomic.Int64
			sound := storetest.Server{Dir: dir}
			address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut && puts.Add(1) > 1 { // one file is there, and then the disk is full
					tc.put(w, r)
					return
				}
				sound.ServeHTTP(w, r)
			})
			from, names := entryOf(t, files)
			s := open(t, address)
			if what == "hangs" {
				s.limits.idle = 2 * time.Second
			}
			if s.Put(t.Context(), said.say, Key("kernel", "a"), "this kernel", from, names) {
				t.Error("it took the entry")
			}
			if len(said) != 1 || !strings.Contains(said[0], tc.want) || !strings.HasPrefix(said[0], "this kernel is not put into the store") || !strings.HasSuffix(said[0], "the store is not asked again") {
				t.Errorf("it said %q, want %q", said, tc.want)
			}
			if found, err := os.ReadDir(filepath.Join(dir, "ac")); err == nil && len(found) > 0 {
				t.Errorf("it has the list %v", found)
			}
			if found, err := os.ReadDir(filepath.Join(dir, "cas")); err != nil || len(found) != 1 {
				t.Errorf("it has the contents %v, %v", found, err)
			}
		})
	}
}

// The requests of an upload and of a download, in their order. The list is the last thing that is sent.
func TestRequests(t *testing.T) {
	var said says
	var mu sync.Mutex
	var log []string
	sound := storetest.Server{Dir: t.TempDir()}
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		kind, _, _ := strings.Cut(r.URL.Path[1:], "/")
		line := r.Method + " " + kind
		if r.ContentLength > 0 {
			line += " with its length"
		}
		log = append(log, line)
		sound.ServeHTTP(w, r)
	})
	s, key := open(t, address), Key("kernel", "a")
	from, names := entryOf(t, map[string]string{"config": "x", "vmlinux": "y"})
	s.Put(t.Context(), said.say, key, "this kernel", from, names)
	s.Put(t.Context(), said.say, key, "this kernel", from, names)
	got(t, s, said.say, key, func(name string) bool { return name == "config" })
	const want = "HEAD cas, PUT cas with its length, HEAD cas, PUT cas with its length, PUT ac with its length, " +
		"HEAD cas, HEAD cas, PUT ac with its length, GET ac, GET cas"
	mu.Lock()
	defer mu.Unlock()
	if text := strings.Join(log, ", "); text != want || said != nil {
		t.Errorf("%s\nwant\n%s\nsaid %q", text, want, said)
	}
}

// The password comes from the file .netrc, goes to the server alone, and stands in no message.
func TestPassword(t *testing.T) {
	var said says
	const secret = "s3cret"
	address, _ := serve(t, storetest.Server{Dir: t.TempDir(), User: "ann", Password: secret}.ServeHTTP)
	key := Key("kernel", "a")
	from, names := entryOf(t, files)
	for _, lines := range []string{"", "machine example.org login ann password s3cret\n", "machine 127.0.0.1 login ann password wrong-s3cret\n"} {
		writeNetrc(t, lines)
		said = nil
		if s := open(t, address); s.Put(t.Context(), said.say, key, "this kernel", from, names) || len(said) != 1 || !strings.Contains(said[0], "401") || strings.Contains(said[0]+s.String(), secret) {
			t.Errorf("with %q: said %q", lines, said)
		}
	}
	writeNetrc(t, "# mine\nmachine example.org login eve password x\nmachine 127.0.0.1\n\tlogin ann\n\tpassword s3cret\ndefault login bob password y\n")
	said = nil
	s := open(t, address)
	if !s.Put(t.Context(), said.say, key, "this kernel", from, names) || !maps.Equal(got(t, s, said.say, key, everything), files) || said != nil || strings.Contains(s.String(), secret) {
		t.Errorf("said %q", said)
	}
}

func writeNetrc(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NETRC", path)
}

func TestMachine(t *testing.T) {
	for text, want := range map[string]string{
		"":                             " ",
		"machine h login a password b": "a b",
		"machine x login a password b": " ",
		"default login d password e":   "d e",
		"machine h login a\npassword b\nmachine h login c password d":              "a b",
		"machine x login h password h machine h login a password b":                "a b",
		"machine h account z password b login a":                                   "a b",
		"macdef m\nmachine h login no password no\n\nmachine h login a password b": "a b",
		"# machine h login no password no\nmachine h login a password #b":          "a #b",
		"machine":         " ",
		"machine h login": " ",
		"login a":         " ",
	} {
		if user, password := machine(text, "h"); user+" "+password != want {
			t.Errorf("%q: got %q %q, want %q", text, user, password, want)
		}
	}
}

// An address that is none is refused, without the password in it.
func TestOpenRefuses(t *testing.T) {
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	for where, want := range map[string]string{
		"http://ann:s3cret@example.org/x": `write "machine example.org login NAME password PASSWORD" to ~/.netrc`,
		"https://s3cret@example.org":      "~/.netrc",
		"http://ann:s3cret@host:port/":    "the address cannot be read",
		"http://ann:s3cret@[::1":          "the address cannot be read",
		"http://":                         "it is no address of a store",
		"http:/host":                      "is no address of a store",
		"http:host":                       "is no address of a store",
		"http://host/?x=s3cret-no":        "is no address of a store",
		"http://host/#x":                  "is no address of a store",
		"s3://bucket":                     "s3:// is no address of a store",
		"grpc://host":                     "grpc:// is no address of a store",
	} {
		_, err := Open(where)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ann:s3cret") || strings.Contains(err.Error(), "//s3cret") {
			t.Errorf("%s: got %v, want %q", where, err, want)
		}
	}
	for where, want := range map[string]string{"http://host:8080/x/": "http://host:8080/x", "https://host": "https://host", "a:b": "/a:b", "dir/": "/dir"} {
		if s, err := Open(where); err != nil || !strings.HasSuffix(s.String(), want) {
			t.Errorf("%s: got %v, %v, want %s", where, s, err, want)
		}
	}
	t.Setenv("NETRC", t.TempDir())
	if _, err := Open("http://host"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("passwords in a folder: %v", err)
	}
}

// A folder that is missing or not writable costs one line, and is not made.
func TestFolderFails(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"file": "", "closed/cas": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	from, names := entryOf(t, files)
	for name, want := range map[string]string{"none": "no such file or directory", "file": "it is a regular file, not a folder"} {
		var said says
		s := open(t, filepath.Join(dir, name))
		if all := got(t, s, said.say, Key("kernel", "a"), everything); all != nil || len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s: said %q, want %q", name, said, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("the folder was made")
	}
	var said says
	s := open(t, filepath.Join(dir, "closed")) // no user can write there, not even root
	if all := got(t, s, said.say, Key("kernel", "a"), everything); all != nil || said != nil {
		t.Errorf("got %v, said %q", all, said)
	}
	if s.Put(t.Context(), said.say, Key("kernel", "a"), "this kernel", from, names) || len(said) != 1 || !strings.Contains(said[0], "not a directory") {
		t.Errorf("said %q", said)
	}
}

// A write that ends early leaves nothing.
func TestFolderCutOff(t *testing.T) {
	dir := t.TempDir()
	for what, from := range map[string]io.Reader{"short": strings.NewReader("half"), "error": io.MultiReader(strings.NewReader("half"), broken{})} {
		if err := (folder(dir)).put(t.Context(), "cas/x", 100, from); err == nil {
			t.Errorf("%s: it is taken", what)
		}
		if found, err := os.ReadDir(filepath.Join(dir, "cas")); err != nil || len(found) > 0 {
			t.Errorf("%s: it leaves %v, %v", what, found, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
