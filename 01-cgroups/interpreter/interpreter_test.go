//go:build linux

package interpreter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// file writes an executable file into a directory.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path
}

// elfFile returns the head of an ELF file that names an interpreter, with one other header before
// it.
func elfFile(class byte, name string) string {
	b := make([]byte, 256)
	copy(b, []byte{0x7f, 'E', 'L', 'F', class, 1})
	if class == 1 {
		copy(b[28:], []byte{64})
		copy(b[42:], []byte{32, 0, 2})
		copy(b[64+32:], []byte{3, 0, 0, 0, 200})
		copy(b[64+32+16:], []byte{byte(len(name) + 1)})
	} else {
		copy(b[32:], []byte{64})
		copy(b[54:], []byte{56, 0, 2})
		copy(b[64+56:], []byte{3, 0, 0, 0, 0, 0, 0, 0, 200})
		copy(b[64+56+32:], []byte{byte(len(name) + 1)})
	}
	copy(b[200:], name)
	return string(b)
}

func blame(path string) error {
	return Blame(&os.PathError{Op: "exec", Path: path, Err: unix.ENOENT})
}

// The error has the name as it is in the file, to the byte.
func TestTheMissingInterpreterIsNamed(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"#!/no/such":                       "/no/such",
		"#!/no/such\n":                     "/no/such",
		"#! \t/no/such\t-x y\n":            "/no/such",
		"#!/bin/sh\r\necho\r\n":            "/bin/sh\r",
		"#!/no/such\x00/x\n":               "/no/such",
		"#!no/such/relative\n":             "no/such/relative",
		elfFile(1, "/lib/no-such-ld.so.1"): "/lib/no-such-ld.so.1",
		elfFile(2, "/lib/no-such-ld.so.2"): "/lib/no-such-ld.so.2",
	} {
		path := file(t, dir, "program", text)
		var missing *MissingError
		require.ErrorAs(t, blame(path), &missing, "%q", text)
		require.Equal(t, MissingError{want, ""}, *missing, "%q", text)
		require.ErrorIs(t, missing, fs.ErrNotExist)
		require.NoError(t, os.Remove(path))
	}
}

// The interpreter of a script can be a script, and the interpreter of that script can be missing.
func TestTheInterpretersInterpreterIsNamed(t *testing.T) {
	dir := t.TempDir()
	second := file(t, dir, "second", "#!/no/such\n")
	first := file(t, dir, "first", "#!"+second+"\n")
	require.ErrorContains(t, blame(first), `the interpreter "/no/such" of `+second+` is missing`)
	file(t, dir, "circle", "#!"+dir+"/circle\n")
	require.Equal(t, unix.ENOENT, errors.Unwrap(blame(dir+"/circle")))
}

// Any other error is returned unchanged, and so is ENOENT if the file cannot be read.
func TestNoInterpreterIsBlamedWithoutEvidence(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o755))
	for _, path := range []string{fifo, dir, "/no/such", file(t, dir, "empty", ""), "/proc/self/exe",
		file(t, dir, "good", "#!/bin/sh\n"), file(t, dir, "none", "#!\n"), file(t, dir, "nohead", "echo\n"),
		file(t, dir, "cut", "\x7fELF\x02\x01"), file(t, dir, "static", elfFile(2, ""))} {
		require.Equal(t, unix.ENOENT, errors.Unwrap(blame(path)), path)
	}
	script := file(t, dir, "script", "#!/no/such\n")
	for _, err := range []error{nil, errors.New("other"), unix.ENOENT,
		&os.PathError{Op: "exec", Path: script, Err: unix.EACCES},
		&os.PathError{Op: "open", Path: script, Err: unix.ENOENT}} {
		require.Equal(t, err, Blame(err))
	}
}

// No file is read via a file descriptor, which the failed program did not have.
func TestNoInterpreterIsSoughtThroughADescriptor(t *testing.T) {
	dir := t.TempDir()
	script := file(t, dir, "script", "#!/no/such\n")
	f, err := os.Open(dir)
	require.NoError(t, err)
	defer f.Close()
	through := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	require.NotEqual(t, unix.ENOENT, errors.Unwrap(blame(script)),
		"the control: it is read by its name")
	require.Equal(t, unix.ENOENT, errors.Unwrap(blame(through+"/script")))
	script = file(t, dir, "other", "#!"+through+"/missing\n")
	require.Equal(t, unix.ENOENT, errors.Unwrap(blame(script)))
}

func FuzzHead(f *testing.F) {
	f.Add([]byte(elfFile(1, "/ld")))
	f.Add([]byte(elfFile(2, "/ld")))
	f.Fuzz(func(t *testing.T, head []byte) { _ = ofELF(head) })
}
