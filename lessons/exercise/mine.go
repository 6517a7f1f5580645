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

// A FileError says why a learner's file can't be compiled, whatever its code is.
type FileError struct {
	File, ID string
	What     string
	Reset    bool // only the unsolved file fixes it
}

func (e *FileError) Error() string {
	text := e.File + ": " + e.What
	if e.Reset {
		text += "; go run ./lessons reset " + e.ID + " restores the unsolved file"
	}
	return text
}

// Read reads the learner's file. It returns a *FileError if Go can't read that file.
func Read(root string, e Exercise) ([]byte, error) {
	path := filepath.Join(root, e.File)
	bad := func(reset bool, format string, args ...any) ([]byte, error) {
		return nil, &FileError{e.File, e.ID(), fmt.Sprintf(format, args...), reset}
	}
	info, err := os.Stat(path) // not opened: opening a FIFO waits for a writer
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if other := renamed(root, e); other != "" {
			return bad(false, "it is missing; did you rename it to %s? Rename it back: "+
				"mv %[1]s %s", other, e.File)
		}
		return bad(true, "it is missing")
	case err != nil:
		return bad(false, "%v", errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return bad(true, "it is a %s, not a file", kindOf(info.Mode()))
	case info.Size() > 1<<20:
		return bad(false, "it has %d MiB, too much for Go code", info.Size()>>20)
	}
	text, err := os.ReadFile(path)
	switch {
	case err != nil:
		return bad(false, "it cannot be read: %v", errors.Unwrap(err))
	case len(bytes.TrimSpace(text)) == 0:
		return bad(true, "it is empty")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")), bytes.IndexByte(text, 0) >= 0:
		return bad(false, "it is not UTF-8 (UTF-16, or not text): save it as UTF-8 in your editor")
	case !utf8.Valid(text):
		return bad(false, "it is not UTF-8: save it as UTF-8 in your editor")
	case !tagged(text):
		return bad(false, "the line %s is missing at the top, so Go compiles it together with "+
			"our solution", strings.TrimSpace(mineTag))
	}
	return text, nil
}

// readRegular reads a regular file. Any other file counts as missing: reading a FIFO would wait for
// a writer.
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

// tagged reports whether text has a build tag before the package clause.
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

// renamed returns a file in the same directory whose comment names the exercise, or "".
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

// unreadable returns a line for each learner's file that Go can't read, with the reason. A package
// with such a file lacks functions, and the compiler names only their callers.
func unreadable(root string) (lines []string) {
	for _, e := range All() {
		var bad *FileError
		if _, err := Read(root, e); errors.As(err, &bad) {
			lines = append(lines, err.Error())
		}
	}
	return lines
}
