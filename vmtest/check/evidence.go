// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// evidence is the folder to which a check writes its answers.
type evidence struct {
	dir   string
	began time.Time
}

// begin makes the folder, and writes what will be asked before anything is asked.
func (c *checking) begin(presubmit bool) error {
	c.evidence = evidence{c.dir, time.Now()}
	c.plan = several.Check{
		Schema: several.CheckSchema, Series: c.series.Name, Variant: c.series.Variant, Base: c.base.Version, Began: c.evidence.began.Format(time.RFC3339),
		KeepGoing: c.KeepGoing, Presubmit: presubmit, LeftOut: c.leftOut,
	}
	for _, s := range c.steps {
		c.plan.Steps = append(c.plan.Steps, s.Step)
	}
	for _, p := range c.series.Patches {
		c.plan.Patches = append(c.plan.Patches, several.PatchToCheck{Name: p.Name, Subject: p.Subject, Local: p.Local, Placeholder: p.Placeholder(), SHA256: several.DigestOf(p.Text)})
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	return c.evidence.write(several.CheckFile, c.plan)
}

// after returns how many seconds the check has taken so far.
func (e evidence) after() float64 { return time.Since(e.began).Seconds() }

// write replaces a file of the folder by a rename, because others may read it at any time.
func (e evidence) write(name string, v any) error {
	tmp := "." + name
	if err := wire.WriteJSON(filepath.Join(e.dir, tmp), v); err != nil {
		return err
	}
	return os.Rename(filepath.Join(e.dir, tmp), filepath.Join(e.dir, name))
}

// answered appends an answer to the file of answers.
func (e evidence) answered(a several.Answered) error {
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(e.dir, several.AnswersFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// trouble writes the error that ended a check, if no question has it. It returns an error
// that is not evidence: the user's mistake, or that the folder cannot be written.
func (c *checking) trouble(ctx context.Context, err error) error {
	err = run.Interrupted(ctx, err)
	if err == nil || blame.Of(err) == blame.User {
		return err
	}
	t := c.hostTrouble(err)
	if blame.Of(err) == blame.Kernel {
		t = &verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}
	}
	if werr := c.evidence.write(verdict.TroubleFile, t); werr != nil {
		return errors.Join(err, werr)
	}
	return nil
}

// hostTrouble returns the Trouble for an error that the host is to blame for.
func (c *checking) hostTrouble(err error) *verdict.Trouble {
	return &verdict.Trouble{Blame: verdict.BlameHost, Text: c.Advise(err).Error()}
}
