// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/vmtest/run"
)

// defaultCacheSize is enough for two sources and the kernels of some weeks.
const defaultCacheSize = 20_000_000_000

// sizeFlag is a number of bytes, such as "20GB".
type sizeFlag uint64

func (s *sizeFlag) String() string { return humanize.Bytes(uint64(*s)) }

func (s *sizeFlag) Set(value string) error {
	n, err := humanize.ParseBytes(value)
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("want a number of bytes, such as 20GB, 500MB or 0")
	}
	*s = sizeFlag(n)
	return nil
}

func (a *app) registerCacheSize(set *flag.FlagSet) {
	a.cacheSize = defaultCacheSize
	set.Var(&a.cacheSize, "cache-size", "`SIZE` of the cache, such as 500MB, above which what was not used for the longest time is removed from it; 0 for no limit")
}

// registerKernel registers the flags of a kernel. Whoever has a base fetched fills the cache.
func (a *app) registerKernel(set *flag.FlagSet) {
	a.RegisterKernel(set)
	a.RegisterStore(set)
	a.registerCacheSize(set)
}

// registerBase registers the flags of a base, for the same reason with that of the cache.
func (a *app) registerBase(set *flag.FlagSet) {
	a.RegisterBase(set)
	a.registerCacheSize(set)
}

func (a *app) registerPrune(set *flag.FlagSet) {
	a.registerCacheSize(set)
	set.BoolVar(&a.pruneAll, "all", false, "remove everything that no vmtest uses now")
}

// kindWords names the entries of each kind, one and several.
var kindWords = map[cache.EntryKind][2]string{
	cache.Kernel:     {"kernel", "kernels"},
	cache.Work:       {"work folder", "work folders"},
	cache.Source:     {"source", "sources"},
	cache.Repository: {"repository", "repositories"},
	cache.Guest:      {"guest's programs", "guests' programs"},
	cache.Selftests:  {"selftests", "selftests"},
	cache.Ccache:     {"folder of ccache", "folders of ccache"},
	cache.Answer:     {"answer", "answers"},
	cache.Run:        {"run", "runs"},
}

// prune removes from the cache what is above -cache-size. A cache that cannot be pruned
// is no failure of the run before it.
func (a *app) prune(ctx context.Context) {
	if a.cacheSize == 0 || ctx.Err() != nil {
		return
	}
	removed, _, err := a.Host.Cache.Prune(ctx, int64(a.cacheSize))
	if len(removed) > 0 {
		a.progress.Step("the cache was larger than %s: removed %s", a.cacheSize.String(), summary(removed))
	}
	if err != nil {
		a.progress.Step("the cache is not pruned: %v", err)
	}
}

// summary says in one line what was removed.
func summary(removed []cache.Entry) string {
	count, bytes := make(map[cache.EntryKind]int), int64(0)
	var order []cache.EntryKind
	for _, e := range removed {
		if count[e.Kind] == 0 {
			order = append(order, e.Kind)
		}
		count[e.Kind]++
		bytes += e.Bytes
	}
	var parts []string
	for _, k := range order {
		word := kindWords[k][1]
		if count[k] == 1 {
			word = kindWords[k][0]
		}
		parts = append(parts, fmt.Sprintf("%d %s", count[k], word))
	}
	text := fmt.Sprintf("%s (%s)", strings.Join(parts, ", "), humanize.Bytes(uint64(bytes)))
	if last := removed[len(removed)-1].Used; !last.IsZero() {
		text += ", last used " + humanize.Time(last) + " or before"
	}
	return text
}

// cacheListVerb lists what is in the cache. What Prune removes next is on top.
func cacheListVerb(_ context.Context, a *app, _ []string) (int, error) {
	kept, err := cache.DefaultCache()
	if err != nil {
		return 0, err
	}
	all, err := kept.Entries()
	if err != nil {
		return 0, err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	if len(all) > 0 {
		fmt.Fprintln(w, "LAST USE\tSIZE\tKIND\tWHAT")
	}
	var total uint64
	answers := 0
	for _, e := range slices.Backward(all) { // the last answer has the latest use
		if e.Kind == cache.Answer {
			answers++
		}
		total += uint64(e.Bytes)
	}
	for _, e := range all {
		if e.Kind == cache.Answer {
			if answers--; answers > 0 {
				continue
			}
			e = allAnswers(all)
		}
		used := "killed"
		if !e.Used.IsZero() {
			used = humanize.Time(e.Used)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", used, humanize.Bytes(uint64(e.Bytes)), kindWords[e.Kind][0], what(e))
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	limit := "no limit"
	if a.cacheSize > 0 {
		limit = "-cache-size is " + a.cacheSize.String()
	}
	fmt.Printf("%s in %s; %s\n", humanize.Bytes(total), kept.Dir, limit)
	return 0, nil
}

// allAnswers makes one entry of all answers, which are small and many.
func allAnswers(all []cache.Entry) cache.Entry {
	sum, n := cache.Entry{Kind: cache.Answer}, 0
	for _, e := range all {
		if e.Kind == cache.Answer {
			sum.Bytes, sum.Used = sum.Bytes+e.Bytes, e.Used
			n++
		}
	}
	sum.What = fmt.Sprintf("%d answers to questions about sources and patches", n)
	return sum
}

// what says what an entry is.
func what(e cache.Entry) string {
	switch {
	case e.What != "":
		return strings.Replace(e.What, strings.Join(run.DefaultFragments, "+"), "default", 1)
	case e.Used.IsZero():
		return "not finished: a vmtest makes it now, or was killed"
	}
	return "made by an older vmtest"
}

// cachePruneVerb removes what is above the limit, or everything.
func cachePruneVerb(ctx context.Context, a *app, _ []string) (int, error) {
	if a.pruneAll && a.Has("cache-size") {
		return 0, blame.Usagef("-all removes everything; leave -cache-size out")
	}
	kept, err := cache.DefaultCache()
	if err != nil {
		return 0, err
	}
	limit := int64(a.cacheSize)
	switch {
	case a.pruneAll:
		limit = 0
	case limit == 0:
		limit = math.MaxInt64
	}
	removed, left, err := kept.Prune(ctx, limit)
	for _, e := range removed {
		fmt.Printf("removed %s: %s, %s\n", kindWords[e.Kind][0], what(e), humanize.Bytes(uint64(e.Bytes)))
	}
	fmt.Printf("%s left in %s\n", humanize.Bytes(uint64(left)), kept.Dir)
	if err == nil && left > limit {
		fmt.Println("what is left is in use by another vmtest")
	}
	return 0, err
}
