// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// HashFile returns the SHA-256 of a file, in hex.
func HashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return Hash(f)
}

// Hash returns the SHA-256, in hex, of all that it reads from from.
func Hash(from io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Digest returns one SHA-256, in hex, of several strings. Strings that are split
// differently have different digests.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // the length says where each part ends
	}
	return hex.EncodeToString(h.Sum(nil))
}
