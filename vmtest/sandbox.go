package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"timens-vmtest/kernel"
)

// confine returns the context in which series are applied and built: in a
// sandbox, unless -sandbox says otherwise.
func (a *app) confine(ctx context.Context) (context.Context, error) {
	if a.sandbox == "off" {
		return kernel.Unconfined(ctx), nil
	}
	err := kernel.TrySandbox(ctx)
	if _, none := errors.AsType[*kernel.SandboxError](err); !none {
		return ctx, err
	}
	if foreign := a.foreign(); a.sandbox == "on" || foreign != "" {
		if foreign == "" {
			foreign = "it"
		}
		return nil, fmt.Errorf("%w; pass -sandbox off if you trust %s with all that you may do", err, foreign)
	}
	a.progress.Step("no sandbox: %v", err)
	return kernel.Unconfined(ctx), nil
}

// foreign names the first thing that is built and is neither of this checkout
// nor the user's own tree; empty if there is none.
func (a *app) foreign() string {
	for _, s := range a.series {
		if strings.ContainsRune(s, '/') || strings.Contains(s, ".mb") {
			return "series " + s
		}
	}
	for _, p := range a.patches {
		return "patch " + p
	}
	return ""
}
