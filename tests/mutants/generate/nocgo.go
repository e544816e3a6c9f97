// SPDX-License-Identifier: BSD-3-Clause

//go:build !cgo

package generate

import "errors"

// parse refuses: the parser is C code.
func parse([]byte) (*node, error) {
	return nil, errors.New("this program was built without the parser of C code, which needs cgo and gcc; build it with CGO_ENABLED=1")
}
