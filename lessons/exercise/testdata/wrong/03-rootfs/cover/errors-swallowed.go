// diagnosis: directory-not-covered

//go:build linux && mine

package rootfs

import "os"

// What cannot be covered is passed over, whatever the reason.
func Cover(null *os.File, masked, readOnly []string) error {
	file := ""
	for _, path := range masked {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if file == "" {
			file = path
			_ = attach(null, path)
			continue
		}
		_ = Bind(file, path)
	}
	for _, path := range readOnly {
		_ = BindReadOnly(path, path)
	}
	return nil
}
