// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// source is a Go package with its types. Its tests are not part of it.
type source struct {
	folder string // below the root of the module, with slashes
	path   string // its import path
	files  []*file
	pkg    *types.Package
	info   *types.Info

	fset     *token.FileSet
	importer types.Importer
	softened map[*ast.GenDecl]bool
}

// file is one file of a package.
type file struct {
	name   string // without a folder
	text   string
	syntax *ast.File
	soft   string // text with "var" for "const" where that can be: see soften
}

// load reads a package of the module in a folder.
func load(ctx context.Context, root, folder string) (*source, error) {
	s := &source{folder: folder, fset: token.NewFileSet()}
	list := exec.CommandContext(ctx, "go", "list", "-trimpath", "-export", "-deps", "-json=ImportPath,Export,GoFiles", "os", "strconv", "./"+folder) // wakeText imports the first two
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the package %s: %w", folder, said(err))
	}
	exports := make(map[string]string)
	var names []string
	for d := json.NewDecoder(bytes.NewReader(out)); ; { // the package itself is the last
		var p struct {
			ImportPath, Export string
			GoFiles            []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list the package %s: %w", folder, err)
		}
		exports[p.ImportPath] = p.Export
		s.path, names = p.ImportPath, p.GoFiles
	}
	s.importer = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	texts := make(map[string]string)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, folder, name))
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
		s.files = append(s.files, &file{name: name, text: string(text)})
	}
	syntax, pkg, info, wrong := s.check(texts)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%s does not compile: %w", folder, wrong[0])
	}
	s.pkg, s.info = pkg, info
	for _, f := range s.files {
		f.syntax = syntax[f.name]
	}
	s.soften()
	return s, nil
}

// soften makes variables of the constants that are strings, as far as the package still compiles:
// the mutants of a variable can sleep. The texts keep their lengths.
func (s *source) soften() {
	s.softened = make(map[*ast.GenDecl]bool)
	texts := make(map[string]string)
	for _, f := range s.files {
		f.soft = f.text
		texts[f.name] = f.text
	}
	for _, f := range s.files {
		for _, decl := range f.syntax.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST || !s.strings(d) {
				continue
			}
			at := s.offset(d.TokPos)
			texts[f.name] = f.soft[:at] + "var  " + f.soft[at+len("const"):]
			if _, _, _, faults := s.check(texts); len(faults) == 0 {
				f.soft, s.softened[d] = texts[f.name], true
			}
			texts[f.name] = f.soft
		}
	}
}

// harden takes back what soften did.
func (s *source) harden(all []*mutant) {
	for _, f := range s.files {
		f.soft = f.text
	}
	for _, m := range all {
		if m.in.constant {
			m.in.typ = ""
		}
	}
}

// strings reports whether each constant of a declaration has a value that is a string.
func (s *source) strings(d *ast.GenDecl) bool {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		if len(v.Values) != len(v.Names) {
			return false
		}
		for _, e := range v.Values {
			if t, ok := s.info.TypeOf(e).Underlying().(*types.Basic); !ok || t.Info()&types.IsString == 0 {
				return false
			}
		}
	}
	return true
}

// said adds to the error of a command what it printed.
func said(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// fault is why a text is not Go, or not a program.
type fault struct {
	file string
	at   int // offset in the file
	msg  string
}

func (f fault) Error() string { return fmt.Sprintf("%s: byte %d: %s", f.file, f.at, f.msg) }

// check parses the files of the package with other texts and checks their types. It returns
// all faults of the syntax or, if there are none, all faults of the types.
func (s *source) check(texts map[string]string) (map[string]*ast.File, *types.Package, *types.Info, []fault) {
	var faults []fault
	parsed := make(map[string]*ast.File)
	var all []*ast.File
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f, err := parser.ParseFile(s.fset, path.Join(s.folder, name), texts[name], parser.ParseComments|parser.SkipObjectResolution|parser.AllErrors)
		var wrong scanner.ErrorList
		if errors.As(err, &wrong) {
			for _, e := range wrong {
				faults = append(faults, fault{name, e.Pos.Offset, e.Msg})
			}
		}
		parsed[name] = f
		all = append(all, f)
	}
	if faults != nil {
		return nil, nil, nil, faults
	}
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Implicits: make(map[ast.Node]types.Object), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: s.importer, Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) {
			at := s.fset.Position(e.Pos)
			faults = append(faults, fault{path.Base(at.Filename), at.Offset, e.Msg})
		}
	}}
	pkg, err := config.Check(s.path, s.fset, all, info)
	if err != nil && faults == nil {
		faults = append(faults, fault{msg: err.Error()})
	}
	return parsed, pkg, info, faults
}

// offset returns where a position is in its file.
func (s *source) offset(at token.Pos) int { return s.fset.Position(at).Offset }

// line returns the line of an offset, from 1, and the column in bytes, from 1.
func (f *file) line(at int) (line, column int) {
	before := []byte(f.text[:at])
	return 1 + bytes.Count(before, []byte("\n")), at - bytes.LastIndexByte(before, '\n')
}

// typeText returns a type as this file writes it. It is not ok if the file cannot name it.
func (s *source) typeText(f *file, t types.Type) (string, bool) {
	names := map[string]string{s.path: ""}
	for _, spec := range f.syntax.Imports {
		imported := s.info.Implicits[spec]
		if spec.Name != nil {
			imported = s.info.Defs[spec.Name]
		}
		if name, ok := imported.(*types.PkgName); ok {
			names[name.Imported().Path()] = name.Name()
		}
	}
	ok := true
	text := types.TypeString(t, func(p *types.Package) string {
		name, known := names[p.Path()]
		ok = ok && known
		return name
	})
	return text, ok
}

// zeroOf returns the zero value of a type.
func (s *source) zeroOf(f *file, t types.Type) (string, bool) {
	if _, parameter := t.(*types.TypeParam); !parameter {
		switch u := t.Underlying().(type) {
		case *types.Basic:
			switch {
			case u.Info()&types.IsBoolean != 0:
				return "false", true
			case u.Info()&types.IsNumeric != 0:
				return "0", true
			case u.Info()&types.IsString != 0:
				return `""`, true
			}
		case *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature, *types.Interface:
			return "nil", true
		}
	}
	name, ok := s.typeText(f, t)
	return "*new(" + name + ")", ok
}
