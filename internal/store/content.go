// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// File is a file of an entry. Its contents are packed, by zstd.
type File struct {
	Name       string `json:"name"`
	Executable bool   `json:"executable"`
	SHA256     string `json:"sha256"` // of the packed contents
	Bytes      int64  `json:"bytes"`  // of the packed contents
}

// packedName ends the name of a file in a list, because its contents are packed.
const packedName = ".zst"

// packedFile has the packed contents of a file until they are unpacked. No file of an entry begins with
// a dot.
const packedFile = ".packed"

// mostWindow is how much memory the contents of a file can make the unpacker take.
const mostWindow = 64 << 20

// pack writes the packed contents of a file to the file to. The result has no name.
func pack(path, to string) (File, error) {
	in, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return File{}, err
	}
	out, err := os.Create(to)
	if err != nil {
		return File{}, err
	}
	sum := &summing{to: out, hash: sha256.New()}
	z, err := zstd.NewWriter(sum)
	if err == nil {
		_, err = io.Copy(z, in)
		err = errors.Join(err, z.Close())
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return File{}, err
	}
	return File{Executable: info.Mode()&0o100 != 0, SHA256: sum.digest(), Bytes: sum.bytes}, nil
}

// load copies the contents of a file from the store to a folder. They are verified before they
// are unpacked.
func (s *Store) load(ctx context.Context, f File, root *os.Root, moved func()) error {
	if err := root.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
		return err
	}
	if err := root.RemoveAll(packedFile); err != nil { // a process that was killed has left it
		return err
	}
	if err := s.download(ctx, f, root, moved); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if f.Executable {
		mode = 0o755
	}
	err := unpack(ctx, root, f.Name, mode, s.limits.object, moved)
	return errors.Join(err, root.Remove(packedFile))
}

// download copies the packed contents of a file to packedFile, and verifies them.
func (s *Store) download(ctx context.Context, f File, root *os.Root, moved func()) error {
	in, err := s.place.get(ctx, contentPath(f.SHA256))
	if err == errNone {
		return damagef("its contents are not there")
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(packedFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	sum := &summing{to: out, hash: sha256.New()}
	_, err = io.Copy(sum, io.LimitReader(moving{in, moved}, f.Bytes+1))
	if errors.Is(err, io.ErrUnexpectedEOF) { // the server has sent less than it said
		err = damagef("%d bytes came of %d", sum.bytes, f.Bytes)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	switch got := sum.digest(); {
	case sum.bytes > f.Bytes:
		return damagef("more than %d bytes came", f.Bytes)
	case sum.bytes < f.Bytes:
		return damagef("%d bytes came of %d", sum.bytes, f.Bytes)
	case got != f.SHA256:
		return damagef("its contents have SHA-256 %s, not %s", got, f.SHA256)
	}
	return nil
}

// unpack unpacks packedFile.
func unpack(ctx context.Context, root *os.Root, to string, mode os.FileMode, most int64, moved func()) error {
	in, err := root.Open(packedFile)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	count := &summing{to: out}
	_, err = io.Copy(count, io.LimitReader(until{ctx, moving{z, moved}}, most+1))
	switch {
	case err != nil && count.failed == nil && ctx.Err() == nil:
		err = damagef("its contents cannot be unpacked: %w", err)
	case count.bytes > most:
		err = damagef("its contents have more than %d bytes", most)
	}
	return errors.Join(err, out.Close())
}

// until is a reader that ends when a context does.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	return u.Reader.Read(p)
}

// summing is a writer that counts and sums what it writes. hash may be nil.
type summing struct {
	to     io.Writer
	hash   hash.Hash
	bytes  int64
	failed error // of to
}

func (s *summing) Write(p []byte) (int, error) {
	if s.hash != nil {
		if _, err := s.hash.Write(p); err != nil {
			return 0, fmt.Errorf("hash: %w", err)
		}
	}
	n, err := s.to.Write(p)
	s.bytes += int64(n)
	s.failed = err
	return n, err
}

func (s *summing) digest() string { return hex.EncodeToString(s.hash.Sum(nil)) }
