// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A guard looks at a command at intervals, and kills it when it uses too much. Control
// groups would do that without intervals, but only a system that gives its users a part
// of the tree of control groups has them.
type guard struct {
	*Cmd
	began time.Time
	rooms []room
	since time.Time // when the folders were last measured
}

// room is what a file system has free without what the command has written.
type room struct {
	dir          string
	bytes, files int64
}

const (
	// often is the interval at which the guard looks. In that time two CPUs can fill
	// half a gigabyte of memory.
	often = 100 * time.Millisecond
	// share bounds what the guard costs: it rests so many times longer than it looks.
	share = 30
	// blind is how often folders are measured on a file system that does not count
	// its files, such as btrfs.
	blind = 30 * time.Second
	// spare is how much stays free on a disk, or a tenth of what was free if that is
	// less. A disk that has not as much from the start may be filled.
	spare = 1 << 30
)

func newGuard(c *Cmd) (*guard, error) {
	g := &guard{Cmd: c, began: time.Now(), since: time.Now()}
	for _, dir := range c.writable {
		st, err := statfs(dir)
		if err != nil {
			return nil, err
		}
		g.rooms = append(g.rooms, room{dir, int64(st.Bavail) * st.Bsize, int64(st.Ffree)})
	}
	return g, nil
}

func statfs(dir string) (st unix.Statfs_t, err error) {
	if err = unix.Statfs(dir, &st); err != nil {
		return st, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st, nil
}

// watch guards the command until it has ended. Folders are measured beside everything
// else, because that can take seconds.
func (g *guard) watch() {
	var both sync.WaitGroup
	for _, look := range []func() error{g.look, g.lookAtDisk} {
		both.Go(func() { g.repeat(look) })
	}
	both.Wait()
}

// repeat looks at the command until it has ended or is killed.
func (g *guard) repeat(look func() error) {
	timer := time.NewTimer(often)
	defer timer.Stop()
	for {
		select {
		case <-g.end:
			return
		case <-timer.C:
		}
		begin := time.Now()
		if why := look(); why != nil {
			g.kill(why)
			return
		}
		timer.Reset(max(often, share*time.Since(begin)))
	}
}

// look returns the error of a bound that is broken now.
func (g *guard) look() error {
	l := g.limits
	if l.Time > 0 && time.Since(g.began) > l.Time {
		return g.tooMuch("ran longer than "+l.Time.String(), "time="+(2*l.Time).String())
	}
	threads, memory := usage(g.Process.Pid)
	if l.Processes > 0 && threads >= l.Processes {
		return g.tooManyProcesses()
	}
	if l.Memory > 0 && memory > l.Memory {
		return g.tooMuch("used more than "+formatBytes(l.Memory)+" of memory", "memory="+formatBytes(2*l.Memory))
	}
	return nil
}

// lookAtDisk returns the error of a bound on files that is broken now. Measuring folders
// takes time, so that is done only if a file system has lost as much as the command may
// use. Others write to it too, so that alone is no fault of the command.
func (g *guard) lookAtDisk() error {
	l := g.limits
	for i := range g.rooms {
		r := &g.rooms[i]
		st, err := statfs(r.dir)
		if err != nil {
			continue // the folder is gone, or was moved: the command will say so
		}
		free, freeFiles := int64(st.Bavail)*st.Bsize, int64(st.Ffree)
		r.bytes, r.files = max(r.bytes, free), max(r.files, freeFiles) // others may have removed something
		may := allowed(r.bytes, l.Disk)
		lost := r.bytes-free >= may
		full := l.Files > 0 && r.files-freeFiles >= l.Files
		unseen := l.Files > 0 && st.Files == 0 && time.Since(g.since) > blind
		if !lost && !full && !unseen {
			continue
		}
		held, err := g.measure()
		if err != nil {
			return g.tooMuch(fmt.Sprintf("left folders that cannot be measured (%v)", err), "disk=none,files=none")
		}
		if err := g.compare(held, may, r.dir); err != nil {
			return err
		}
		// It is measured again when the file system has lost what the command may still use.
		g.since, r.bytes, r.files = time.Now(), free+held.bytes, freeFiles+held.files
	}
	return nil
}

// allowed returns how many bytes a command may write to a file system that has so many
// free. disk is the bound on them, if it is positive.
func allowed(free, disk int64) int64 {
	may := int64(math.MaxInt64)
	if free >= spare {
		may = free - min(free/10, spare)
	}
	if disk > 0 {
		may = min(may, disk)
	}
	return may
}

// compare returns an error if the folders hold more than they may.
func (g *guard) compare(held holding, may int64, dir string) error {
	l := g.limits
	switch {
	case l.Files > 0 && held.files >= l.Files:
		return g.tooMuch(fmt.Sprintf("made more than %d files", l.Files), fmt.Sprintf("files=%d", 2*l.Files))
	case held.bytes >= may && may == l.Disk:
		return g.tooMuch("wrote more than "+formatBytes(l.Disk), "disk="+formatBytes(2*l.Disk))
	case held.bytes >= may: // a larger disk might do
		return &fs.PathError{Op: filepath.Base(g.tool()) + " in", Path: dir, Err: unix.ENOSPC}
	}
	return nil
}

// holding is what folders hold.
type holding struct{ bytes, files int64 }

// measure adds up what the folders hold, and the deleted files that processes in the
// sandbox have open. Something that cannot be looked at is an error: it may hide
// anything.
func (g *guard) measure() (held holding, err error) {
	seen := make(map[uint64]bool) // files with several links or descriptors
	add := func(info fs.FileInfo) {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
			if st.Nlink != 1 {
				seen[st.Ino] = true
			}
			held.bytes += st.Blocks * 512
			held.files++
		}
	}
	for _, dir := range g.writable {
		err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil {
				var info fs.FileInfo
				if info, err = entry.Info(); err == nil {
					add(info)
				}
			}
			select {
			case <-g.end:
				return fs.SkipAll
			default:
			}
			if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
				return nil
			}
			return err
		})
		if err != nil {
			return held, err
		}
	}
	open, err := filepath.Glob(filepath.Join(procOf(g.Process.Pid), "[0-9]*", "fd", "*"))
	for _, fd := range open {
		if info, err := os.Stat(fd); err == nil && info.Mode().IsRegular() && info.Sys().(*syscall.Stat_t).Nlink == 0 {
			add(info)
		}
	}
	return held, err
}
