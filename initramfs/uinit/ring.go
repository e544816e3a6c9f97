// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// ringKB is the size of the kernel's ring of each CPU: some ten thousand calls.
const ringKB = "1024"

// ring is the kernel's ring buffer of ftrace. The zero value is for a guest that records
// nothing.
type ring struct {
	records bool
	refused []string // functions that the kernel cannot trace
}

// newRing prepares what the host wants to be recorded. Nothing is recorded yet.
func newRing() (ring, error) {
	var t wire.Trace
	if there, err := loadJSON(wire.TracePath, &t); !there {
		return ring{}, err
	}
	if err := unix.Mount("tracefs", wire.TraceDir, "tracefs", 0, ""); err != nil && err != unix.EBUSY { // it is mounted already
		return ring{}, fmt.Errorf("mount %s: %w", wire.TraceDir, err)
	}
	r := ring{records: true}
	return r, errors.Join(r.stop(), r.graph(t), r.events(t.Events), set("buffer_size_kb", ringKB), set("trace_clock", "mono"))
}

// set writes a setting of ftrace. It replaces what the setting was.
func set(file, value string) error {
	return os.WriteFile(filepath.Join(wire.TraceDir, file), []byte(value), 0)
}

// more adds to a setting of ftrace.
func more(file, value string) error {
	f, err := os.OpenFile(filepath.Join(wire.TraceDir, file), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}

// graph has the calls of functions recorded, with all that these call.
func (r *ring) graph(t wire.Trace) error {
	for _, name := range t.Functions {
		if err := more("set_graph_function", name); err != nil {
			return fmt.Errorf("the kernel traces no function %s: %w", name, err)
		}
	}
	traced := len(t.Functions)
	for _, name := range t.Patched {
		// The compiler may have made a copy of it, such as name.isra.0.
		err, errCopy := more("set_graph_function", name), more("set_graph_function", name+".*")
		if err == nil || errCopy == nil {
			traced++
		} else if r.refused = append(r.refused, name); !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	switch {
	case traced == 0 && len(t.Patched) > 0:
		return fmt.Errorf("the kernel can trace none of the functions that the series changes: %s", strings.Join(t.Patched, ", "))
	case traced == 0:
		return nil
	}
	if err := set("current_tracer", "function_graph"); err != nil {
		return err
	}
	for _, option := range []string{"funcgraph-proc", "funcgraph-abstime", "funcgraph-tail"} {
		if err := set("options/"+option, "1"); err != nil {
			return err
		}
	}
	if err := set("options/funcgraph-retval", "1"); !errors.Is(err, fs.ErrNotExist) { // CONFIG_FUNCTION_GRAPH_RETVAL
		return err
	}
	return nil
}

// events has events recorded.
func (r *ring) events(names []string) error {
	for _, name := range names {
		if err := more("set_event", name); err != nil {
			return fmt.Errorf("the kernel has no event %s: %w", name, err)
		}
	}
	return nil
}

// start empties the ring and begins to record.
func (r *ring) start() error {
	if !r.records {
		return nil
	}
	return errors.Join(set("trace", ""), set("tracing_on", "1"))
}

// stop records no more. What was recorded stays.
func (r *ring) stop() error {
	if !r.records {
		return nil
	}
	return set("tracing_on", "0")
}

// report writes a record with what the ring has of a test that has ended.
func (r *ring) report(out *records, id wire.TestID, end wire.End) error {
	if !r.records || end.Exit == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(wire.TraceDir, "trace"))
	if err != nil {
		return err
	}
	small, err := wire.Pack(r.shown(text))
	if err != nil {
		return err
	}
	return out.write(wire.Record{Type: wire.TypeTrace, TestID: &id, Data: small})
}

// shown returns the last lines of a trace, and which functions it lacks.
func (r *ring) shown(text []byte) []byte {
	if len(text) > wire.TraceLimit {
		text = text[len(text)-wire.TraceLimit:]
		text = text[bytes.IndexByte(text, '\n')+1:]
		text = append([]byte("# vmtest: the beginning is left out\n"), text...)
	}
	if r.refused != nil {
		text = append([]byte("# vmtest: the kernel cannot trace "+strings.Join(r.refused, ", ")+"\n"), text...)
	}
	return text
}
