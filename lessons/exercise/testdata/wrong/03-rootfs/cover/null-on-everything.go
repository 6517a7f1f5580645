// diagnosis: file-on-directory

//go:build linux && mine

package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func Cover(null *os.File, masked, readOnly []string) error {
	file := ""
	for _, path := range masked {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if file == "" {
			file = path
			if err := attach(null, path); err != nil {
				return err
			}
		} else if err := Bind(file, path); err != nil {
			return err
		}
	}
	for _, path := range readOnly {
		if err := BindReadOnly(path, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
