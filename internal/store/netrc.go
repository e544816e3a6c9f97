// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/cache"
)

// credentials returns the name and the password that the user's file .netrc has for a host: in
// $NETRC or in the home folder, as for curl and git.
func credentials(host string) (user, password string, err error) {
	path := os.Getenv("NETRC")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", "", nil // who has no home has no such file
		}
		path = filepath.Join(home, ".netrc")
	}
	text, err := cache.ReadRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("the file with your passwords: %w", err)
	}
	user, password = machine(string(text), host)
	return user, password, nil
}

// machine returns what the text of a .netrc says of a host. The first machine of that name
// counts, or else the default.
func machine(text, host string) (user, password string) {
	within, macro := false, false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if macro = macro && len(words) > 0; macro { // up to an empty line
			continue
		}
		if len(words) > 0 && strings.HasPrefix(words[0], "#") {
			continue
		}
		for i := 0; i < len(words); i++ {
			next := ""
			if i+1 < len(words) {
				next = words[i+1]
			}
			switch words[i] {
			case "machine", "default":
				if within {
					return user, password
				}
				within = words[i] == "default" || next == host
			case "login":
				if within {
					user = next
				}
			case "password":
				if within {
					password = next
				}
			case "macdef":
				macro = true
			}
			if words[i] != "default" {
				i++ // the word behind it is its value
			}
		}
	}
	return user, password
}
