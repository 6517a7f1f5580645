package exercise

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A FileError says why a learner's file cannot be compiled, whatever is in it.
type FileError struct {
	File, ID string
	What     string
	Reset    bool // only the unsolved file helps
}

func (e *FileError) Error() string {
	text := e.File + ": " + e.What
	if e.Reset {
		text += "; go run ./lessons reset " + e.ID + " puts the unsolved file there"
	}
	return text
}

// Read reads the learner's file, if it is one that Go can read.
func Read(root string, e Exercise) ([]byte, error) {
	path := filepath.Join(root, e.File)
	bad := func(reset bool, format string, args ...any) ([]byte, error) {
		return nil, &FileError{e.File, e.ID(), fmt.Sprintf(format, args...), reset}
	}
	info, err := os.Stat(path) // not opened: opening a FIFO waits for a writer
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if other := renamed(root, e); other != "" {
			return bad(false, "it is missing; is it %s now? Give it its name back: mv %[1]s %s", other, e.File)
		}
		return bad(true, "it is missing")
	case err != nil:
		return bad(false, "%v", errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return bad(true, "it is a %s, not a file", kindOf(info.Mode()))
	case info.Size() > 1<<20:
		return bad(false, "it has %d MiB, more than Go code has", info.Size()>>20)
	}
	text, err := os.ReadFile(path)
	switch {
	case err != nil:
		return bad(false, "it cannot be read: %v", errors.Unwrap(err))
	case len(bytes.TrimSpace(text)) == 0:
		return bad(true, "it is empty")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")), bytes.IndexByte(text, 0) >= 0:
		return bad(false, "it is not UTF-8 (UTF-16, or no text): save it as UTF-8 in your editor")
	case !utf8.Valid(text):
		return bad(false, "it is not UTF-8: save it as UTF-8 in your editor")
	case !tagged(text):
		return bad(false, "it lacks the line %s on top, so Go takes it together with our solution", strings.TrimSpace(mineTag))
	}
	return text, nil
}

// readRegular reads a file, and takes what is no regular file for none: a FIFO would have us wait for a writer.
func readRegular(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return os.ReadFile(path)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// tagged reports whether the build tag is there, before the package clause.
func tagged(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("//go:build ")) {
			return true
		}
		if bytes.HasPrefix(line, []byte("package ")) {
			return false
		}
	}
	return true // the compiler says what is wrong
}

// renamed is a file beside the exercise's that looks like it, by its comment or its tag.
func renamed(root string, e Exercise) string {
	dir := filepath.Join(root, e.Dir())
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		path := filepath.Join(e.Dir(), entry.Name())
		if !entry.Type().IsRegular() || isFile(path) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err == nil && bytes.Contains(text, []byte("// Exercise "+e.ID()+":")) {
			return path
		}
	}
	return ""
}

// isFile reports whether a path is the learner's file of an exercise.
func isFile(path string) bool {
	for _, e := range All() {
		if e.File == path {
			return true
		}
	}
	return false
}

// unreadable says of every learner's file that Go cannot read why: a package with one lacks functions, and the
// compiler names those that call them.
func unreadable(root string) (lines []string) {
	for _, e := range All() {
		var bad *FileError
		if _, err := Read(root, e); errors.As(err, &bad) {
			lines = append(lines, err.Error())
		}
	}
	return lines
}
