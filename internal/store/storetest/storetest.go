// SPDX-License-Identifier: BSD-3-Clause

// Package storetest is a small server of the protocol that package store speaks, for tests. It
// does what bazel-remote does: contents that have not the digest of their path are refused, and so is a
// list that is no ActionResult. A list is shown only while all contents that it names are there.
package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Server keeps its objects in the folder Dir, as a store in a folder does.
type Server struct {
	Dir string

	// Raw leaves lists unchecked, as bazel-remote does with --disable_http_ac_validation.
	Raw bool

	// User and Password are asked for if they are set.
	User, Password string
}

var pathRE = regexp.MustCompile(`^/(ac|cas)/([0-9a-f]{64})$`)

// ServeHTTP implements http.Handler.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	m := pathRE.FindStringSubmatch(r.URL.Path)
	switch {
	case user != s.User || password != s.Password:
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case m == nil:
		http.Error(w, "not a path of an object", http.StatusBadRequest)
	case r.Method == http.MethodPut:
		s.put(w, r, m[1], m[2])
	default:
		s.get(w, r, m[1], m[2])
	}
}

func (s Server) get(w http.ResponseWriter, r *http.Request, kind, key string) {
	text, err := os.ReadFile(filepath.Join(s.Dir, kind, key))
	if err == nil && kind == "ac" && !s.Raw {
		err = s.whole(text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(text) // a client that has gone needs nothing
	}
}

// whole returns an error if contents that a list names are not there.
func (s Server) whole(list []byte) error {
	result, err := Parse(list)
	if err != nil {
		return err
	}
	for _, f := range result.Files {
		info, err := os.Stat(filepath.Join(s.Dir, "cas", f.Hash))
		if err != nil {
			return err
		}
		if info.Size() != f.Size {
			return fs.ErrNotExist
		}
	}
	return nil
}

func (s Server) put(w http.ResponseWriter, r *http.Request, kind, key string) {
	if r.ContentLength < 0 {
		http.Error(w, "no Content-Length", http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || int64(len(text)) != r.ContentLength {
		http.Error(w, "not all has come", http.StatusBadRequest)
		return
	}
	if kind == "cas" {
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != key {
			http.Error(w, "the contents have another digest", http.StatusBadRequest)
			return
		}
	} else if !s.Raw {
		if text, err = named(text, r.RemoteAddr); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	path := filepath.Join(s.Dir, kind, key)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// Result is what an ActionResult says.
type Result struct {
	Files  []File
	Stdout string
	Worker string // in its execution metadata
}

// File is an output file of an ActionResult.
type File struct {
	Path, Hash string
	Size       int64
	Executable bool
}

// Parse reads an ActionResult with the message types of the protocol, and holds it to the rules that
// bazel-remote has for one.
func Parse(text []byte) (Result, error) {
	m := dynamicpb.NewMessage(actionResult)
	if err := proto.Unmarshal(text, m); err != nil {
		return Result{}, err
	}
	var r Result
	field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	r.Stdout = string(field(m, "stdout_raw").Bytes())
	r.Worker = field(field(m, "execution_metadata").Message(), "worker").String()
	files := field(m, "output_files").List()
	for i := range files.Len() {
		one := files.Get(i).Message()
		digest := field(one, "digest").Message()
		f := File{field(one, "path").String(), field(digest, "hash").String(), field(digest, "size_bytes").Int(), field(one, "is_executable").Bool()}
		if f.Path == "" || strings.HasPrefix(f.Path, "/") || len(f.Hash) != 64 || f.Size < 0 {
			return r, fmt.Errorf("output file %+v is not allowed", f)
		}
		r.Files = append(r.Files, f)
	}
	if len(m.GetUnknown()) > 0 {
		return r, fmt.Errorf("it has unknown fields: %x", m.GetUnknown())
	}
	return r, nil
}

// Text returns the ActionResult of a Result.
func (r Result) Text(t testing.TB) []byte {
	t.Helper()
	text, err := r.text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (r Result) text() ([]byte, error) {
	m := dynamicpb.NewMessage(actionResult)
	fields := actionResult.Fields()
	files := m.Mutable(fields.ByName("output_files")).List()
	for _, f := range r.Files {
		one := files.AppendMutable().Message()
		of := one.Descriptor().Fields()
		one.Set(of.ByName("path"), protoreflect.ValueOfString(f.Path))
		one.Set(of.ByName("is_executable"), protoreflect.ValueOfBool(f.Executable))
		digest := one.Mutable(of.ByName("digest")).Message()
		digest.Set(digest.Descriptor().Fields().ByName("hash"), protoreflect.ValueOfString(f.Hash))
		digest.Set(digest.Descriptor().Fields().ByName("size_bytes"), protoreflect.ValueOfInt64(f.Size))
	}
	m.Set(fields.ByName("stdout_raw"), protoreflect.ValueOfBytes([]byte(r.Stdout)))
	if r.Worker != "" {
		metadata := m.Mutable(fields.ByName("execution_metadata")).Message()
		metadata.Set(metadata.Descriptor().Fields().ByName("worker"), protoreflect.ValueOfString(r.Worker))
	}
	return proto.Marshal(m)
}

// named returns an ActionResult with the name of the machine that it comes from, which
// bazel-remote adds.
func named(text []byte, worker string) ([]byte, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	r.Worker = worker
	return r.text()
}

// actionResult describes the message ActionResult of build/bazel/remote/execution/v2/remote_execution.proto,
// as far as it is used.
var actionResult = describe()

func describe() protoreflect.MessageDescriptor {
	const pkg = "build.bazel.remote.execution.v2"
	one, many := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	field := func(number int32, name string, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Label: one, Type: &kind}
	}
	message := func(number int32, name, of string) *descriptorpb.FieldDescriptorProto {
		f := field(number, name, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
		f.TypeName = proto.String("." + pkg + "." + of)
		return f
	}
	files := message(2, "output_files", "OutputFile")
	files.Label = many
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("remote_execution.proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("ActionResult"), Field: []*descriptorpb.FieldDescriptorProto{
				files, field(4, "exit_code", descriptorpb.FieldDescriptorProto_TYPE_INT32), field(5, "stdout_raw", descriptorpb.FieldDescriptorProto_TYPE_BYTES),
				message(9, "execution_metadata", "ExecutedActionMetadata"),
			}},
			{Name: proto.String("OutputFile"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "path", descriptorpb.FieldDescriptorProto_TYPE_STRING), message(2, "digest", "Digest"), field(4, "is_executable", descriptorpb.FieldDescriptorProto_TYPE_BOOL),
			}},
			{Name: proto.String("Digest"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "hash", descriptorpb.FieldDescriptorProto_TYPE_STRING), field(2, "size_bytes", descriptorpb.FieldDescriptorProto_TYPE_INT64),
			}},
			{Name: proto.String("ExecutedActionMetadata"), Field: []*descriptorpb.FieldDescriptorProto{field(1, "worker", descriptorpb.FieldDescriptorProto_TYPE_STRING)}},
		},
	}, nil)
	if err != nil {
		panic(err) // of the lines above
	}
	return file.Messages().ByName("ActionResult")
}
