// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/cache"
)

// folder is a store in a folder, whose files are named as the objects are.
type folder string

// there returns an error if there is no folder. A folder that is not there may be one whose file
// system is not mounted, so it is not made.
func (f folder) there() error {
	info, err := os.Stat(string(f))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("it is %s, not a folder", cache.Kind(info.Mode()))
	}
	return err
}

func (f folder) get(_ context.Context, path string) (io.ReadCloser, error) {
	if err := f.there(); err != nil {
		return nil, err
	}
	file, _, err := cache.OpenRegular(filepath.Join(string(f), path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f folder) has(_ context.Context, path string, size int64) (bool, error) {
	if err := f.there(); err != nil {
		return false, err
	}
	info, err := os.Stat(filepath.Join(string(f), path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == size, err
}

// put writes to another name first. As with a file that os.Create makes, the umask says who
// may read it.
func (f folder) put(_ context.Context, path string, size int64, from io.Reader) (err error) {
	path = filepath.Join(string(f), path)
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), ".tmp-"+rand.Text())
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	n, err := io.Copy(out, from)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err := errors.Join(err, out.Close()); err != nil { // NFS may say only now that there is no room
		return err
	}
	return os.Rename(tmp, path)
}
