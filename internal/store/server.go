// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// Open returns the store at an address http://HOST/PATH or https://HOST/PATH, or in a folder. It
// does not ask the store for anything. A server gets the name and the password that
// the user's file .netrc has for it. No error has a password in it.
func Open(where string) (*Store, error) {
	scheme, _, _ := strings.Cut(where, ":")
	switch {
	case IsAddress(where):
		return openServer(where, usual)
	case strings.Contains(where, "://"):
		return nil, fmt.Errorf("%s:// is no address of a store; give a folder, http://HOST/PATH or https://HOST/PATH", scheme)
	}
	dir, err := filepath.Abs(where)
	return &Store{name: dir, place: folder(dir), limits: usual}, err
}

// IsAddress reports whether a store is a server. Else it is a folder.
func IsAddress(where string) bool {
	return strings.HasPrefix(where, "http:") || strings.HasPrefix(where, "https:")
}

// server is a store behind HTTP.
type server struct {
	address        string // without a slash at the end
	client         *http.Client
	user, password string
}

func openServer(where string, l limits) (*Store, error) {
	u, err := url.Parse(where)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf("the address cannot be read: %w", e.Err) // e has the whole address
	}
	if err != nil {
		return nil, err
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("everybody on this machine can read a password on the command line; write \"machine %s login NAME password PASSWORD\" to ~/.netrc, and leave it out of the address", u.Hostname())
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("it is no address of a store; give http://HOST/PATH or https://HOST/PATH")
	}
	s := server{address: strings.TrimRight(u.String(), "/")}
	if s.user, s.password, err = credentials(u.Hostname()); err != nil {
		return nil, err
	}
	s.client = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: l.connect}).DialContext, TLSHandshakeTimeout: l.connect, ResponseHeaderTimeout: l.idle,
			IdleConnTimeout:    l.idle, // the server may close it, and an upload cannot begin again
			DisableCompression: true, ForceAttemptHTTP2: true,
		},
		// A client that follows a redirection turns a PUT into a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Store{name: s.address, place: s, limits: l}, nil
}

func (s server) get(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := s.ask(ctx, http.MethodGet, path, 0, nil)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound:
		return nil, cmp.Or(drained(resp), errNone)
	}
	return nil, refused(resp)
}

func (s server) has(ctx context.Context, path string, size int64) (bool, error) {
	resp, err := s.ask(ctx, http.MethodHead, path, 0, nil)
	if err != nil {
		return false, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.ContentLength < 0 || resp.ContentLength == size, drained(resp)
	case http.StatusNotFound:
		return false, drained(resp)
	}
	return false, refused(resp)
}

func (s server) put(ctx context.Context, path string, size int64, from io.Reader) error {
	resp, err := s.ask(ctx, http.MethodPut, path, size, from)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return drained(resp)
	}
	return refused(resp)
}

// ask sends a request. The caller closes the body of the response.
func (s server) ask(ctx context.Context, method, path string, size int64, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.address+"/"+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if s.user != "" || s.password != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	resp, err := s.client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the user knows the address
	}
	return resp, err
}

// mostRest is how much of a body is read that nobody wants, so that the connection can be used again.
const mostRest = 64 << 10

func drained(resp *http.Response) error {
	_, _ = io.CopyN(io.Discard, resp.Body, mostRest) // else the connection is closed
	return resp.Body.Close()
}

// refused returns the error that a server has not done what it was asked for.
func refused(resp *http.Response) error {
	where := ""
	if to, err := resp.Location(); err == nil {
		where = fmt.Sprintf(", which leads to %s; give that address", to.Redacted())
	}
	err := fmt.Errorf("it answers %s with %s%s", resp.Request.Method, resp.Status, where)
	return errors.Join(err, drained(resp))
}
