// diagnosis: writable-cover

//go:build linux && mine

package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func Cover(masked, readOnly []string) error {
	for _, path := range masked {
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, unix.ENOENT):
		case err != nil:
			return err
		case st.IsDir():
			if err := mount("tmpfs", path, "tmpfs", harmless, ""); err != nil {
				return err
			}
		default:
			if err := mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil {
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
