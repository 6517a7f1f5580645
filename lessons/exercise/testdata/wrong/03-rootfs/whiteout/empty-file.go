// diagnosis: no-device

//go:build linux && mine

package rootfs

import (
	"os"
)

func Whiteout(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o000)
}
