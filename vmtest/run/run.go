// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
)

// Judge carries out a request in the empty folder dir, judges the folder and writes the
// reports. It returns an error only if it could not keep the evidence or the reports.
func Judge(ctx context.Context, h host.Host, req Request, dir string) (verdict.Result, error) {
	r := &runner{Host: h, Request: req, dir: dir}
	return r.judge(ctx)
}

// Remembered does what Judge does. But if an equal run (same kernel, plan and the rest of
// outcomeKey) has passed before, it copies the evidence of that run into dir and judges it
// again.
func Remembered(ctx context.Context, h host.Host, req Request, dir string) (verdict.Result, error) {
	what := []string{req.Series.Name, fmt.Sprint(req.Coverage)}
	for _, p := range req.Series.Patches {
		what = append(what, string(p.Text))
	}
	unlock, err := h.Lock(ctx, "run-"+cache.Digest(what...)[:32], "the same run")
	if err != nil {
		return verdict.Result{}, err
	}
	defer unlock()
	r := &runner{Host: h, Request: req, dir: dir, remember: true}
	return r.judge(ctx)
}

// runner carries out one request.
type runner struct {
	host.Host
	Request
	dir      string    // where the evidence goes
	remember bool      // a run that has passed need not be repeated
	recalled bool      // dir has the evidence of such a run
	key      string    // under which the cache keeps the run
	made     *prepared // what was made for the boot; nil before that
}

func (r *runner) judge(ctx context.Context) (verdict.Result, error) {
	err := Interrupted(ctx, r.gather(ctx))
	if err != nil {
		werr := wire.WriteJSON(filepath.Join(r.dir, verdict.TroubleFile), r.trouble(err))
		path, _ := host.FileOf(err)
		switch {
		case werr != nil && host.Below(path, r.dir): // the same fault again
			return verdict.Result{}, err
		case werr != nil: // there is no folder to judge, whoever is to blame for err
			return verdict.Result{}, fmt.Errorf("%w (before that: %v)", werr, err)
		}
	}
	e, lerr := verdict.Load(r.dir)
	if lerr != nil {
		return verdict.Result{}, cmp.Or(err, lerr) // err may have cut off a file
	}
	result := verdict.Judge(e)
	if err := report.Write(r.dir, result); err != nil {
		return verdict.Result{}, err // a verdict is shown only if the reports were written
	}
	r.learn(result)
	return result, r.keep(ctx, result)
}

func (r *runner) trouble(err error) verdict.Trouble {
	if blame.Of(err) == blame.Kernel {
		return verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}
	}
	return verdict.Trouble{Blame: verdict.BlameHost, Text: r.Advise(err).Error()}
}

// Interrupted returns the error "interrupted" if the user ended the run, because what the
// stopped children printed does not matter. Otherwise it returns err.
func Interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// gather does all that comes before the judge. Even if it returns an error, it has written
// the evidence so far to dir.
func (r *runner) gather(ctx context.Context) error {
	began := time.Now()
	record := verdict.Run{
		Series: r.Series.Name, Variant: r.Series.Variant, Lanes: r.Lanes, Make: r.Make,
		Began: began.Format(time.RFC3339), Command: r.Command, Coverage: r.Coverage,
		NotStandard: r.Guest.Flags(),
	}
	for _, p := range r.Series.Patches {
		if p.Extra {
			record.Extra = append(record.Extra, p.Name)
		}
	}
	if r.Base.Tree != "" {
		path, err := filepath.Abs(r.Base.Tree)
		if err != nil {
			return err
		}
		record.Tree = &verdict.Tree{Path: path, Commit: r.Base.Commit, Built: r.Prebuilt}
	}
	p, err := r.prepare(ctx, &record)
	if err != nil {
		return err
	}
	r.describe(p.image)
	if r.Forget && !p.image.Cached {
		defer p.image.Forget() // a kernel that stays only takes space
	}
	if r.remember {
		if done, err := r.recall(ctx, p); err != nil || done {
			return err
		}
	}
	r.arrange(&p, &record)
	if err := r.shard(&p, record.Lanes); err != nil {
		return err
	}
	r.made = &p
	record.PrepareS = time.Since(began).Seconds()
	if err := wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record); err != nil {
		return err
	}
	if err := errors.Join(r.store(p.archive.Plan, record.Order != nil), r.storeAdded(ctx, p.tree)); err != nil {
		return err
	}
	if err := r.boot(ctx, p, record.Lanes); err != nil || !r.Coverage {
		return err
	}
	return r.measure(ctx, p, record.Lanes)
}

// writeInputs writes all inputs of the run to its folder.
func (r *runner) writeInputs(record verdict.Run) error {
	s := r.Series
	if err := wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record); err != nil {
		return err
	}
	files := map[string][]byte{"requested.config": r.Config.Bytes(), verdict.AllowFile: r.Allow}
	if s.Expect != nil {
		files[verdict.ExpectFile] = s.Expect
	}
	if r.Coverage && s.Floor != nil {
		files[verdict.FloorFile] = s.Floor
	}
	list := ""
	for _, p := range s.Patches {
		files[filepath.Join("patches", p.Name)] = p.Text
		list += p.Name + "\n"
	}
	files[filepath.Join("patches", "series")] = []byte(list)
	files[filepath.Join("patches", "design")] = []byte(s.Design + "\n")
	if err := os.Mkdir(filepath.Join(r.dir, "patches"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
