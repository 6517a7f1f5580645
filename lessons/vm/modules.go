package vm

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// ModuleOrder lists the files of the named modules and of all that they depend on, each after what it needs: the order
// in which they can be loaded. dep is modules.dep, which depmod(8) makes; builtin is modules.builtin, whose modules are
// part of the kernel's image and need no file.
func ModuleOrder(dep, builtin io.Reader, names ...string) ([]string, error) {
	inside := map[string]bool{}
	for s := bufio.NewScanner(builtin); s.Scan(); {
		inside[moduleName(s.Text())] = true
	}
	needs := map[string][]string{} // of a file, all that it depends on, the last first
	files := map[string]string{}   // of a module
	s := bufio.NewScanner(dep)
	s.Buffer(nil, 1<<20) // a line has all dependencies of a module
	for s.Scan() {
		file, list, ok := strings.Cut(s.Text(), ":")
		if !ok {
			return nil, fmt.Errorf("modules.dep: %q is not FILE: FILES", s.Text())
		}
		files[moduleName(file)], needs[file] = file, strings.Fields(list)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("modules.dep: %w", err)
	}
	var order []string
	for _, name := range names {
		file, ok := files[moduleName(name)]
		if !ok {
			if inside[moduleName(name)] {
				continue
			}
			return nil, fmt.Errorf("the kernel has no module %s, and it is not built in", name)
		}
		// depmod lists direct and indirect dependencies, such that loading them from right to left works.
		load := append([]string{file}, needs[file]...)
		for _, f := range slices.Backward(load) {
			if !slices.Contains(order, f) {
				order = append(order, f)
			}
		}
	}
	return order, nil
}

// moduleName is the name of the module in a file: kernel/fs/fuse/virtio-fs.ko.xz is virtio_fs. Modules and files do not
// agree on - and _ (modprobe(8)).
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(strings.TrimSpace(file)), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// unpackModule decompresses a module's file by its name, and takes off the signature. To check a signature costs an
// emulated machine longer than to load the module, and the host has chosen these files itself: the kernel then only
// notes that it is "tainted" by a module without one.
func unpackModule(file string, data []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch path.Ext(file) {
	case ".gz":
		r, err = gzip.NewReader(bytes.NewReader(data))
	case ".xz":
		r, err = xz.NewReader(bytes.NewReader(data))
	case ".zst":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(data)); err == nil {
			defer d.Close()
			r = d
		}
	}
	if err == nil && r != nil {
		data, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", file, err)
	}
	return unsigned(data), nil
}

// unsigned cuts off what the kernel's scripts/sign-file appended: the signature, 12 bytes about it that end with its
// length (struct module_signature), and this text.
func unsigned(module []byte) []byte {
	rest, ok := bytes.CutSuffix(module, []byte("~Module signature appended~\n"))
	if !ok || len(rest) < 12 {
		return module
	}
	n := len(rest)
	length := int(rest[n-4])<<24 | int(rest[n-3])<<16 | int(rest[n-2])<<8 | int(rest[n-1])
	if length > n-12 {
		return module
	}
	return rest[:n-12-length]
}
