// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// fetchTarball downloads, verifies and unpacks a tarball.
func (s Spec) fetchTarball(ctx context.Context, h host.Host) (Base, error) {
	want := strings.ToLower(s.SHA256)
	return unpacked(ctx, h, want, s.URL, func(tmp string) error {
		file := filepath.Join(tmp, path.Base(s.URL))
		h.Report.Step("fetch %s", s.URL)
		if err := download(ctx, s.URL, file); err != nil {
			return err
		}
		got, err := cache.HashFile(file)
		if err != nil {
			return err
		}
		if got != want {
			return blame.Usagef("%s has SHA-256 %s, not %s", s.URL, got, want)
		}
		return unpack(ctx, file, h.Report)
	})
}

func download(ctx context.Context, url, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	var in io.ReadCloser
	if name, ok := strings.CutPrefix(url, "file://"); ok {
		in, err = os.Open(name)
	} else {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err != nil {
			return blame.Usagef("-tarball: %w", err)
		}
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			in = resp.Body
			if resp.StatusCode != http.StatusOK {
				err = errors.Join(fmt.Errorf("fetch %s: %s", url, resp.Status), in.Close())
			}
		}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	return out.Close()
}

// unpack unpacks a tarball into the folder "tree" next to it.
func unpack(ctx context.Context, file string, r host.Reporter) error {
	r.Step("unpack %s", filepath.Base(file))
	dir := filepath.Join(filepath.Dir(file), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	_, err := sandbox.Run(sandbox.Command(ctx, dir, nil, "tar", "-x", "--strip-components=1", "--no-same-owner", "-f", file))
	return err
}
