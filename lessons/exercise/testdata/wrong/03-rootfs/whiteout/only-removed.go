// diagnosis: nothing-there

//go:build linux && mine

package rootfs

import (
	"os"
)

func Whiteout(path string) error {
	return os.RemoveAll(path)
}
