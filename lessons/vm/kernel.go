package vm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A kernel is an image that QEMU can boot, and its modules.
type kernel struct {
	Image   string // its path
	Version string // as uname -r tells it in the guest
	Modules string // the directory of its modules: /lib/modules/VERSION
}

// findKernel takes the image at path, or looks for the best of those that are installed below root: the newest one
// that we may read and whose modules are there.
func findKernel(root, path string) (kernel, error) {
	if path != "" {
		return readKernel(root, path)
	}
	var images []string
	for _, pattern := range []string{"boot/vmlinuz*", "boot/Image*", "lib/modules/*/vmlinuz"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		images = append(images, found...)
	}
	var kernels []kernel
	var closed, why error
	for _, image := range images {
		k, err := readKernel(root, image)
		switch {
		case err == nil:
			kernels = append(kernels, k)
		case errors.Is(err, fs.ErrPermission):
			closed = fmt.Errorf("only root may read the kernel %s: sudo chmod a+r %s, or go run -exec sudo ./lessons vm", image, image)
		case why == nil:
			why = err
		}
	}
	if len(kernels) > 0 {
		return slices.MaxFunc(kernels, func(a, b kernel) int { return compareVersions(a.Version, b.Version) }), nil
	}
	if closed != nil {
		return kernel{}, closed
	}
	if why != nil {
		return kernel{}, fmt.Errorf("%w (%w)", missingKernel, why)
	}
	return kernel{}, missingKernel
}

// readKernel finds out an image's version and its modules.
func readKernel(root, image string) (kernel, error) {
	f, err := os.Open(image)
	if err != nil {
		return kernel{}, err
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	n, _ := f.ReadAt(head, 0) // a short file has no version, which is told below
	version := imageVersion(head[:n])
	if version == "" {
		// Images of other machines do not tell; their names do.
		if version = filepath.Base(filepath.Dir(image)); filepath.Base(filepath.Dir(filepath.Dir(image))) != "modules" {
			_, version, _ = strings.Cut(filepath.Base(image), "-")
		}
	}
	if version == "" {
		return kernel{}, fmt.Errorf("%s: neither the file nor its name tells which kernel it is", image)
	}
	k := kernel{Image: image, Version: version, Modules: filepath.Join(root, "lib/modules", version)}
	if _, err := os.Stat(k.Modules + "/modules.dep"); err != nil {
		return kernel{}, fmt.Errorf("the modules of the kernel %s: %w", image, err)
	}
	return k, nil
}

// imageVersion reads the version from the head of a bzImage (Documentation/arch/x86/boot.rst, "kernel_version").
func imageVersion(head []byte) string {
	if len(head) < 0x210 || string(head[0x202:0x206]) != "HdrS" {
		return ""
	}
	at := 0x200 + int(binary.LittleEndian.Uint16(head[0x20e:]))
	if at >= len(head) {
		return ""
	}
	text, _, _ := bytes.Cut(head[at:], []byte{0})
	version, _, _ := strings.Cut(string(text), " ")
	return version
}

// compareVersions orders versions by their numbers: 6.9 is before 6.10.
func compareVersions(a, b string) int {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsDigit(r) && !unicode.IsLetter(r) })
	}
	x, y := split(a), split(b)
	for i := range min(len(x), len(y)) {
		n, err1 := strconv.Atoi(x[i])
		m, err2 := strconv.Atoi(y[i])
		c := cmp.Compare(n, m)
		if err1 != nil || err2 != nil {
			c = strings.Compare(x[i], y[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

// qemuModules are what the guest must load before it has the host's root, and with it all the others: the bus, the port
// that is the stream, the file system that is the root, the overlay over it; and the disk of the io step.
var qemuModules = []string{"virtio_pci", "virtio_console", "virtiofs", "overlay", "virtio_blk"}

// load reads modules and what they need as files of the initial file system, with the list of them.
func (k kernel) load(names []string) ([]File, error) {
	dep, err := os.ReadFile(k.Modules + "/modules.dep")
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(k.Modules + "/modules.builtin")
	if err != nil {
		return nil, err
	}
	order, err := ModuleOrder(bytes.NewReader(dep), bytes.NewReader(builtin), names...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Image, err)
	}
	var files []File
	var list strings.Builder
	for _, name := range order {
		data, err := os.ReadFile(filepath.Join(k.Modules, name))
		if err != nil {
			return nil, err
		}
		if data, err = unpackModule(name, data); err != nil {
			return nil, err
		}
		file := "modules/" + moduleName(name) + ".ko"
		files = append(files, File{Path: file, Mode: 0o644, Data: data})
		list.WriteString("/" + file + "\n")
	}
	return append(files, File{Path: "modules/list", Mode: 0o644, Data: []byte(list.String())}), nil
}
