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
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
)

// Judge carries out a request into the empty folder dir, judges the folder and
// writes the reports. An error means that not even the folder could be kept.
func Judge(ctx context.Context, h host.Host, req Request, dir string) (verdict.Result, error) {
	r := &runner{Host: h, Request: req, dir: dir}
	return r.judge(ctx)
}

// Remembered is Judge, unless a run of the same kernel, plan and rest has passed
// before: then its evidence is copied into dir and judged again.
func Remembered(ctx context.Context, h host.Host, req Request, dir string) (verdict.Result, error) {
	unlock, err := h.Lock(ctx, "run-"+req.Series.Name, "the same run")
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
	dir      string // takes the evidence
	remember bool   // a run that has passed need not be repeated
	recalled bool   // dir has the evidence of such a run
	key      string // that it is kept under
}

func (r *runner) judge(ctx context.Context) (verdict.Result, error) {
	err := Interrupted(ctx, r.gather(ctx))
	if err != nil {
		werr := wire.WriteJSON(filepath.Join(r.dir, verdict.TroubleFile), r.trouble(err))
		path, _ := host.FileOf(err)
		switch {
		case werr != nil && host.Below(path, r.dir): // the same again
			return verdict.Result{}, err
		case werr != nil: // whoever is to blame for err, there is no folder to judge
			return verdict.Result{}, fmt.Errorf("%w (before that: %v)", werr, err)
		}
	}
	e, lerr := verdict.Load(r.dir)
	if lerr != nil {
		return verdict.Result{}, cmp.Or(err, lerr) // a file that err cut off cannot be read
	}
	result := verdict.Judge(e)
	if err := report.Write(r.dir, result); err != nil {
		return verdict.Result{}, err // not a word of a verdict that was not kept
	}
	return result, r.keep(ctx, result)
}

func (r *runner) trouble(err error) verdict.Trouble {
	if blame.Of(err) == blame.Kernel {
		return verdict.Trouble{Blame: verdict.BlameKernel, Text: err.Error()}
	}
	return verdict.Trouble{Blame: verdict.BlameHost, Text: r.Advise(err).Error()}
}

// Interrupted is what err comes to when the user has ended the run: what the
// children said while they were stopped is no news.
func Interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// gather does everything up to the judge. The evidence of the run is in dir when
// it returns, whatever it returns.
func (r *runner) gather(ctx context.Context) error {
	began := time.Now()
	record := verdict.Run{
		Series: r.Series.Name, Lanes: r.Lanes,
		Began: began.Format(time.RFC3339), Command: r.Command, Coverage: r.Coverage,
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
		record.Tree = &verdict.Tree{Path: path, Commit: r.Base.Commit}
	}
	p, err := r.prepare(ctx, &record)
	if err != nil {
		return err
	}
	r.describe(p.image)
	if r.Forget && !p.image.Cached {
		defer p.image.Forget() // one that stays costs nothing but room
	}
	if r.remember {
		if done, err := r.recall(ctx, p); err != nil || done {
			return err
		}
	}
	record.PrepareS = time.Since(began).Seconds()
	if err := wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record); err != nil {
		return err
	}
	if err := r.boot(ctx, p, record.Lanes); err != nil || !r.Coverage {
		return err
	}
	return r.measure(ctx, p, record.Lanes)
}

// writeInputs keeps what the run is made of beside what comes of it.
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
