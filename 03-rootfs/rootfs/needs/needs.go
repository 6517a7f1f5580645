//go:build linux

package needs

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Tree is a program, or a library, and what it needs.
type Tree struct {
	Path        string // where it is
	Interpreter string // of a dynamic program: the loader that the kernel starts in its place (PT_INTERP)
	Libraries   []Lib  // everything that is loaded in the end, in the order in which it was found
}

// A Lib is a library that something asked for by name.
type Lib struct {
	Name string // as it stands in the file that asks: libc.so.6 (DT_NEEDED)
	Path string // where it was found; "" if it was not
	By   string // who asks
}

// Static reports whether the program needs nothing but the kernel.
func (t Tree) Static() bool { return t.Interpreter == "" && len(t.Libraries) == 0 }

// Files lists all files that must be in a root for the program to run.
func (t Tree) Files() []string {
	files := []string{t.Path}
	if t.Interpreter != "" {
		files = append(files, t.Interpreter)
	}
	for _, l := range t.Libraries {
		if l.Path != "" {
			files = append(files, l.Path)
		}
	}
	return files
}

// Of reads a program and, one after the other, the libraries that it needs, as the loader would: ld.so(8).
func Of(path string) (Tree, error) {
	t := Tree{Path: path}
	queue, seen := []string{path}, map[string]bool{}
	for len(queue) > 0 {
		file := queue[0]
		queue = queue[1:]
		f, err := elf.Open(file)
		if err != nil {
			var format *elf.FormatError
			if errors.As(err, &format) || errors.Is(err, io.EOF) { // EOF: too short to be one
				return t, fmt.Errorf("%s is not an ELF program (a script needs the program in its first line): %w", file, err)
			}
			return t, err
		}
		if file == path {
			t.Interpreter = interpreter(f)
		}
		names, _ := f.ImportedLibraries() // an error: no dynamic section, so none
		dirs := append(runPath(f, file), usual()...)
		machine, class := f.Machine, f.Class
		f.Close()
		for _, name := range names {
			if seen[name] || name == filepath.Base(t.Interpreter) {
				continue // the interpreter is a library too, and loaded by then
			}
			seen[name] = true
			found := find(name, dirs, machine, class)
			t.Libraries = append(t.Libraries, Lib{name, found, file})
			if found != "" {
				queue = append(queue, found)
			}
		}
	}
	return t, nil
}

// interpreter reads PT_INTERP: elf(5). It is a path in the root in which the program is started.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			raw := make([]byte, p.Filesz)
			if _, err := p.ReadAt(raw, 0); err == nil {
				return strings.TrimRight(string(raw), "\x00")
			}
		}
	}
	return ""
}

// runPath lists the directories that the file itself names. $ORIGIN is where the file lies.
func runPath(f *elf.File, file string) (dirs []string) {
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		list, _ := f.DynString(tag)
		for _, l := range list {
			for dir := range strings.SplitSeq(l, ":") {
				origin := filepath.Dir(file)
				dirs = append(dirs, strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin).Replace(dir))
			}
		}
	}
	return dirs
}

// usual lists the directories of /etc/ld.so.conf, which the loader knows from /etc/ld.so.cache, and its own.
func usual() []string {
	return append(configured("/etc/ld.so.conf", 0), "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
}

// configured reads a list of directories, following its include lines: ldconfig(8).
func configured(file string, depth int) (dirs []string) {
	f, err := os.Open(file)
	if err != nil || depth > 8 {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		line = strings.TrimSpace(line)
		if pattern, ok := strings.CutPrefix(line, "include"); ok {
			files, _ := filepath.Glob(strings.TrimSpace(pattern))
			for _, f := range files {
				dirs = append(dirs, configured(f, depth+1)...)
			}
		} else if line != "" {
			dirs = append(dirs, line)
		}
	}
	return dirs
}

// find looks for a library that is made for the same machine; 32-bit ones may lie in the next directory.
func find(name string, dirs []string, machine elf.Machine, class elf.Class) string {
	if strings.Contains(name, "/") {
		dirs, name = []string{filepath.Dir(name)}, filepath.Base(name)
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		fits := f.Machine == machine && f.Class == class
		f.Close()
		if fits {
			return path
		}
	}
	return ""
}
