// SPDX-License-Identifier: BSD-3-Clause

package look

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// The text is for terminals, for XML and for JSON as well. It has a character for each invalid
// byte, so that a reader sees that something was there.
func TestHarmless(t *testing.T) {
	long := strings.Repeat("ä\n", maxText)
	for text, want := range map[string]string{
		"\tplain <b>\n":                  "\tplain <b>\n",
		"\x1b[31mred\x00\x7f\r\u009b31m": "[31mred31m",
		"a\u202eb\u2066c\u200f":          "abc",
		"a\xff\xc3b\xe2\x82":             "a\ufffd\ufffdb\ufffd\ufffd",
		long:                             long,
	} {
		if got := Harmless(text); got != want || !utf8.ValidString(got) {
			t.Errorf("Harmless(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"\tplain <b>\n":                "\tplain <b>\n", // the template escapes
		"\x1b[31mred\x00\x7f\r":        "[31mred",
		"a\u202eb\u2066c\u200f":        "abc",
		"\xff":                         "\ufffd",
		strings.Repeat("ä", maxText):   strings.Repeat("ä", maxText),
		strings.Repeat("ä", maxText+1): strings.Repeat("ä", maxText) + "...",
	} {
		if got := Plain(text); got != want {
			t.Errorf("Plain(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0 s", 1.5e-5: "15.0 µs", 0.0012: "1.20 ms", -0.0012: "-1.20 ms", 1: "1.0 s", 599: "599.0 s", 600: "10 min"} {
		if got := Seconds(s); got != want {
			t.Errorf("Seconds(%v) is %s, want %s", s, got, want)
		}
	}
}

// Whatever the values are, each point of a chart lies within it.
func TestChartsHold(t *testing.T) {
	for _, values := range [][]float64{{1}, {0, 0}, {1, 1.001, 0.999}, {0, 1e300}, {-5, 5}, {1e-12, 2e-12, 0}} {
		l := Line{Values: values}
		var dots []Dot
		for i, v := range values {
			if x, y := l.at(i); x < margin || x > lineWidth-margin || y < margin || y > lineHeight-margin {
				t.Errorf("%v: the point %d is at %d, %d", values, i, x, y)
			}
			dots = append(dots, Dot{Value: v})
		}
		d := NewDots("", dots)
		for _, dot := range d.All() {
			if dot.X < axis || dot.X > dotsWidth-margin || dot.Y < margin || dot.Y > dotsHeight-margin {
				t.Errorf("%v: the dot of %v is at %d, %d", values, dot.Value, dot.X, dot.Y)
			}
		}
		if n := len(d.Labels()); n < 2 || n > 13 {
			t.Errorf("%v: the axis has %d labels", values, n)
		}
	}
}

// A higher value is drawn higher. Noise of a percent is flat, and a bad dot is drawn last.
func TestCharts(t *testing.T) {
	if got, want := (Line{Values: []float64{10, 20, 15}}).Points(), "4,44 120,4 236,24"; got != want {
		t.Errorf("the points are %s, want %s", got, want)
	}
	l := Line{Values: []float64{100, 101}}
	if _, low := l.at(0); low-l.Last().Y > 4 {
		t.Errorf("noise of a percent is %d high", low-l.Last().Y)
	}
	d := NewDots("", []Dot{{Name: "a", Value: 1e-3, Bad: true}, {Name: "b", Value: 1e-1}, {Name: "c", Value: 1e-5}})
	var got []string
	for _, dot := range d.All() {
		got = append(got, fmt.Sprint(dot.Text(), dot.Place))
	}
	if want := "b: 100.00 ms{60 8} c: 10.0 µs{636 155} a: 1.00 ms{348 82}"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// A page that is too long is rendered with shorter lists, and an error if nothing helps.
func TestFit(t *testing.T) {
	page := Page(`{{range .}}{{.}}{{end}}`, template.FuncMap{})
	data := func(n int) func(int) any {
		return func(divide int) any {
			long, _ := Head(make([]string, n), max(1, n/divide))
			for i := range long {
				long[i] = strings.Repeat("x", 100_000)
			}
			return long
		}
	}
	for n, want := range map[int]int{3: 300_000, 10: 1_000_000, 11: 500_000, 160: 1_000_000} {
		if got, err := Fit(page, data(n)); err != nil || len(got) != want {
			t.Errorf("%d lines: %v, %d bytes, want %d", n, err, len(got), want)
		}
	}
	if got, err := Fit(page, func(int) any { return []string{strings.Repeat("x", MaxBytes+1)} }); err == nil {
		t.Errorf("a page of %d bytes is no error", len(got))
	}
	if math.Log2(mostDivided) != 8 {
		t.Error("mostDivided is no power of two, so the last try is left out")
	}
}

// Both colour schemes have the same names of colours, and none is used that has no value.
func TestStyle(t *testing.T) {
	css, err := style()
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there are no colours for the dark")
	}
	names := func(text string) map[string]bool {
		all := make(map[string]bool)
		for _, part := range strings.Split(text, "--")[1:] {
			if name, _, ok := strings.Cut(part, ": "); ok && !strings.ContainsAny(name, " )") {
				all[name] = true
			}
		}
		return all
	}
	dark, rest, _ := strings.Cut(dark, "\n}\n")
	for _, part := range strings.Split(rest, "var(--")[1:] {
		name, _, _ := strings.Cut(part, ")")
		if !names(light)[name] || !names(dark)[name] && name != "" {
			t.Errorf("the colour --%s is missing in the light or in the dark", name)
		}
	}
	if len(names(light)) != len(names(dark)) || len(names(light)) < 10 {
		t.Errorf("%d colours in the light, %d in the dark", len(names(light)), len(names(dark)))
	}
}
