// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// AddedFile has, in the folder of a run, an Added for each line that the series has added.
const AddedFile = "added.json"

// Added is a line of the kernel's source that the series has added.
type Added struct {
	Path    string `json:"path"`
	N       int    `json:"line"` // from 1
	Text    string `json:"text"`
	Patch   string `json:"patch"`             // name of the patch that adds it
	Subject string `json:"subject,omitempty"` // of that patch
}

// mostFrames is how many frames of a call trace are looked at. Those further out only lead there.
const mostFrames = 12

// farthest is how many lines a line of a patch may be away from a frame to be worth a look.
const farthest = 200

var (
	// frameRE matches a frame of a call trace: "? " if it may be a leftover on the stack, the
	// function, and, if the log has been decoded, the source lines from the innermost that was inlined to
	// that of the function itself.
	frameRE  = regexp.MustCompile(`^(?:RIP: [0-9a-f]+:| *)(\? )?([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \(([^()]+:\d+[^()]*)\))?`)
	sourceRE = regexp.MustCompile(`([^\s,]+):(\d+)`)
)

// nearestAdded says which line of the series is nearest to the top frames of a splat; "" if none
// is near. The lines of the splat have source lines.
func nearestAdded(splat []string, added []Added) string {
	frames := 0
	for _, line := range splat {
		m := frameRE.FindStringSubmatch(line)
		if m == nil || m[1] != "" || m[3] == "" {
			continue
		}
		if frames++; frames > mostFrames {
			break
		}
		for _, place := range sourceRE.FindAllStringSubmatch(m[3], -1) {
			n, err := strconv.Atoi(place[2])
			if err != nil {
				continue
			}
			if a, distance := nearestTo(place[1], n, added); distance <= farthest {
				return fmt.Sprintf("%s (%s:%d) is %s %s:%d, which %s adds: %s", m[2], place[1], n, away(distance), a.Path, a.N, a.by(), short(strings.TrimSpace(a.Text)))
			}
		}
	}
	return ""
}

// nearestTo returns the added line that is nearest to a line of a file, and how far it is.
func nearestTo(path string, n int, added []Added) (near Added, distance int) {
	distance = farthest + 1
	for _, a := range added {
		if d := max(a.N-n, n-a.N); a.Path == path && d < distance {
			near, distance = a, d
		}
	}
	return near, distance
}

func away(lines int) string {
	switch lines {
	case 0:
		return "the line"
	case 1:
		return "1 line from"
	}
	return fmt.Sprintf("%d lines from", lines)
}

func (a Added) by() string {
	if a.Subject == "" {
		return a.Patch
	}
	return fmt.Sprintf("%s (%s)", a.Patch, a.Subject)
}
