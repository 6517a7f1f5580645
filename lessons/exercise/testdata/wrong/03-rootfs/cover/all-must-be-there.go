// diagnosis: missing-path

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
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case st.IsDir():
			if err := mount("tmpfs", path, "tmpfs", harmless|unix.MS_RDONLY, ""); err != nil {
				return err
			}
		case file == "":
			file = path
			if err := attach(null, path); err != nil {
				return err
			}
		default:
			if err := Bind(file, path); err != nil {
				return err
			}
		}
	}
	for _, path := range readOnly {
		if err := BindReadOnly(path, path); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
