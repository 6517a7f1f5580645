package vm

import (
	"bytes"
	"fmt"
	"path"

	"github.com/cavaliergopher/cpio"
)

// A File of the initial file system: a directory if its data is nil.
type File struct {
	Path string
	Mode uint32
	Data []byte
}

// Initramfs packs files as the kernel wants its initial file system: a cpio archive in the "newc" format, here not
// compressed, for unpacking costs an emulated machine more time than reading does
// (Documentation/driver-api/early-userspace/buffer-format.rst). Directories that are missing are added.
func Initramfs(files []File) ([]byte, error) {
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	made := map[string]bool{".": true, "/": true}
	var dir func(string) error
	dir = func(name string) error {
		if made[name] {
			return nil
		}
		if err := dir(path.Dir(name)); err != nil {
			return err
		}
		made[name] = true
		return w.WriteHeader(&cpio.Header{Name: name, Mode: cpio.TypeDir | 0o755, Links: 2})
	}
	for _, f := range files {
		err := dir(path.Dir(f.Path))
		if err == nil && f.Data == nil {
			err = dir(f.Path)
		} else if err == nil {
			err = w.WriteHeader(&cpio.Header{Name: f.Path, Mode: cpio.TypeReg | cpio.FileMode(f.Mode), Size: int64(len(f.Data)), Links: 1})
			if err == nil {
				_, err = w.Write(f.Data)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
