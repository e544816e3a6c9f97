package kernel

import (
	"context"
	"path/filepath"
)

// Answer returns what ask said when it was last asked by this key, from the
// cache where it can. The key stands for everything that the answer depends on.
// An error is no answer and is not kept.
func Answer[T any](ctx context.Context, c Cache, key string, r Reporter, ask func() (T, error)) (T, error) {
	key = digest(key)[:32]
	path := filepath.Join(c.Dir, "answers", key+".json")
	unlock, err := c.Lock(ctx, "answer-"+key, "the same question", r)
	if err != nil {
		var none T
		return none, err
	}
	defer unlock()
	var kept struct{ Answer T }
	if readSealed(path, &kept) == nil { // damaged is as good as absent
		return kept.Answer, nil
	}
	if kept.Answer, err = ask(); err != nil {
		return kept.Answer, err
	}
	return kept.Answer, writeSealed(path, kept)
}
