// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is the name of the history in the folder of the nightly job. TornFile takes the
// pieces of lines that a crash left at its end.
const (
	File     = "history.jsonl"
	TornFile = "history.torn"
)

// Load reads the history of a folder. A folder without one has an empty history. A last
// line that was cut off is left out: it was never whole. Any other line that cannot be
// read is an error.
func Load(dir string) (History, error) {
	text, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return History{}, err
	}
	h, _, err := parse(text)
	if err != nil {
		return History{}, fmt.Errorf("%s: %w", filepath.Join(dir, File), err)
	}
	return h, nil
}

// parse returns the history, and how many bytes of the text are whole lines.
func parse(text []byte) (h History, whole int, err error) {
	for n := 1; whole < len(text); n++ {
		end := bytes.IndexByte(text[whole:], '\n') + 1
		if end == 0 {
			break
		}
		l, err := parseLine(text[whole : whole+end])
		last := whole+end == len(text)
		if err != nil && last && !errors.Is(err, errNewer) {
			break // a crash of the host can leave zeros where a line was to be
		}
		if err != nil {
			return History{}, 0, fmt.Errorf("line %d: %w", n, err)
		}
		h.add(l)
		whole += end
	}
	return h, whole, nil
}

var errNewer = errors.New("a newer vmtest wrote it; use that one, or another -out folder")

func parseLine(text []byte) (Line, error) {
	var l Line
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%w; move the line to another file to go on without it", err)
	}
	if l.Schema > Schema {
		return l, fmt.Errorf("schema %d, and this vmtest reads up to %d: %w", l.Schema, Schema, errNewer)
	}
	if l.Schema < 1 || l.Night == "" {
		return l, errors.New("it has no schema and night; move the line to another file to go on without it")
	}
	return l, nil
}

// Log is a history that is open for appending. Only one process may have one: the caller
// holds a lock.
type Log struct {
	History
	Mended string // what was taken off the end of the file when it was opened; empty: nothing

	file *os.File
	size int64 // of the whole lines
}

// Open opens the history of a folder, which it makes if there is none. A last line that was
// cut off is moved to TornFile.
func Open(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, File)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f}
	if err := l.load(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return l, nil
}

func (l *Log) load(dir string) error {
	text, err := io.ReadAll(l.file)
	if err != nil {
		return err
	}
	h, whole, err := parse(text)
	if err != nil {
		return err
	}
	l.History, l.size = h, int64(whole)
	if torn := text[whole:]; len(torn) > 0 {
		if err := keepTorn(filepath.Join(dir, TornFile), torn); err != nil {
			return err
		}
		if err := errors.Join(l.file.Truncate(l.size), l.file.Sync()); err != nil {
			return err
		}
		l.Mended = fmt.Sprintf("the last line of %s was cut off: its %d bytes are in %s now", File, len(torn), TornFile)
	}
	return syncDir(dir)
}

// keepTorn appends a piece of a line to a file.
func keepTorn(path string, torn []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(torn, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a new file in a folder survive a crash of the host.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append adds a line to the file and to the history. When it returns nil, the line is on
// the disk. After an error, such as that of a full disk, the file is as it was before.
func (l *Log) Append(line Line) error {
	line.Schema = Schema
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(text, '\n'), l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(err, l.file.Truncate(l.size))
	}
	l.size += int64(len(text)) + 1
	l.add(line)
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
