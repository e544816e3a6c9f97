// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"timens-vmtest/internal/cache"
	"timens-vmtest/vmtest/page"
)

// tell writes the page and the mail, and has the mail sent. The command that sends it may want
// to copy the page, so the page is written first. If the mail was not sent, the page says so.
func (n *night) tell(ctx context.Context) error {
	err := n.page()
	notes := len(n.tonight().Notes)
	err = errors.Join(err, n.mail(ctx))
	if len(n.tonight().Notes) > notes {
		err = errors.Join(err, n.page())
	}
	return err
}

// page writes the page of the night. If that fails, the night says so and is no worse for it.
func (n *night) page() error {
	path := filepath.Join(n.Out, page.File)
	text, err := page.Index(n.History, n.name, os.DirFS(n.Out))
	if err == nil {
		err = cache.WriteFile(path, text)
	}
	if err != nil {
		return n.note("the page was not written: %s", oneLine(err.Error()))
	}
	n.Report.Step("wrote %s", path)
	return nil
}
