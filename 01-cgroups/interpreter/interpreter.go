//go:build linux

package interpreter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A MissingError reports that a program exists, and that its interpreter does not.
type MissingError struct {
	Name string // the interpreter, exactly as the file names it
	Of   string // the file that names it, if that is an interpreter itself; else ""
}

func (e *MissingError) Error() string {
	if e.Of == "" {
		return fmt.Sprintf("its interpreter %q is missing: %v", e.Name, unix.ENOENT)
	}
	return fmt.Sprintf("the interpreter %q of %s is missing: %v", e.Name, e.Of, unix.ENOENT)
}

// Unwrap returns ENOENT, so that errors.Is still finds it.
func (e *MissingError) Unwrap() error { return unix.ENOENT }

// depth is the number of interpreters that the kernel tries in turn: the interpreter of a script
// can be a script.
const depth = 5

// Blame returns err, an error of execve(2). If a missing interpreter caused it, the returned error
// names the interpreter.
func Blame(err error) error {
	var exec *os.PathError
	if !errors.As(err, &exec) || exec.Err != unix.ENOENT || !strings.HasSuffix(exec.Op, "exec") {
		return err
	}
	by, file := "", exec.Path
	for range depth {
		name := of(file)
		if name == "" {
			return err
		}
		if fd, err := open(name, unix.O_PATH); err == nil {
			_ = unix.Close(fd)
		} else if err == unix.ENOENT {
			return &os.PathError{Op: exec.Op, Path: exec.Path, Err: &MissingError{name, by}}
		}
		by, file = name, name
	}
	return err
}

// open opens a file whose name comes from an image. It follows no magic link such as
// /proc/self/fd/5: the process that called execve(2) had closed its file descriptors, and those of
// PID 1 can lead to files of the host. (openat2(2), RESOLVE_NO_MAGICLINKS)
func open(path string, flags uint64) (fd int, err error) {
	return unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
}

// of returns the interpreter that a file names, or "" if it names none or cannot be read.
func of(path string) string {
	// Without O_NONBLOCK, opening a FIFO that has no writer would block.
	fd, err := open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return ""
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return ""
	}
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	if line, isScript := strings.CutPrefix(string(head[:n]), "#!"); isScript {
		return ofScript(line)
	}
	return ofELF(head[:n])
}

// ofScript parses the text after "#!". A blank, the end of the line or a zero byte ends the name. A
// carriage return does not: to the kernel it is part of the name. (execve(2), "Interpreter
// scripts")
func ofScript(line string) string {
	line, _, _ = strings.Cut(line, "\n")
	line = strings.TrimLeft(line, " \t")
	if end := strings.IndexAny(line, " \t\x00"); end >= 0 {
		line = line[:end]
	}
	return line
}

// A layout holds the offsets of the fields in a 32-bit or 64-bit ELF file. (elf(5))
type layout struct {
	word                      int // the size of an offset
	headers, size, count      int // e_phoff, e_phentsize, e_phnum
	offset, length, entrySize int // p_offset, p_filesz, and the minimum size of a program header
}

var layouts = map[string]layout{
	"\x7fELF\x01\x01": {4, 28, 42, 44, 4, 16, 32},
	"\x7fELF\x02\x01": {8, 32, 54, 56, 8, 32, 56},
}

// ofELF returns the path in the PT_INTERP header: the dynamic loader. A static program has none.
// Package debug/elf reads it as well, but it is too large for PID 1 of a container.
func ofELF(head []byte) string {
	if len(head) < 64 {
		return ""
	}
	// little-endian, like all machines that containerkit runs on
	l, known := layouts[string(head[:6])]
	if !known {
		return ""
	}
	const interp = 3 // PT_INTERP
	at, size := number(head[l.headers:], l.word), number(head[l.size:], 2)
	for count := number(head[l.count:], 2); count > 0; count-- {
		if at+uint64(l.entrySize) > uint64(len(head)) || at+uint64(l.entrySize) < at {
			return ""
		}
		if entry := head[at:]; number(entry, 4) == interp {
			return text(head, number(entry[l.offset:], l.word), number(entry[l.length:], l.word))
		}
		at += size
	}
	return ""
}

// number reads a little-endian number of 2, 4 or 8 bytes.
func number(b []byte, size int) uint64 {
	switch size {
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// text returns the string at an offset in head, without the zero byte at its end. It returns "" if
// the string is not in head.
func text(head []byte, from, length uint64) string {
	if from > uint64(len(head)) || length > uint64(len(head))-from {
		return ""
	}
	return strings.TrimRight(string(head[from:from+length]), "\x00")
}
