// diagnosis: nothing-there

//go:build linux && mine

package rootfs

import (
	"os"
	"path/filepath"
)

// The name that an image's archive uses. overlayfs knows nothing of it.
func Whiteout(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(path), ".wh."+filepath.Base(path)), nil, 0o644)
}
