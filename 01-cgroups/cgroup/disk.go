//go:build linux

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk finds the disk that contains a directory, as "major:minor", and its name. Only whole disks
// can be throttled, so for a partition it returns the disk. File systems without their own disk
// (tmpfs, overlay, network, and btrfs, which hides its disks) are an error.
func Disk(dir string) (device, name string, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return "", "", &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	device = fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	sys, err := filepath.EvalSymlinks("/sys/dev/block/" + device)
	if err != nil {
		return "", "", fmt.Errorf("cgroup: %s is not on its own disk (device %s)", dir, device)
	}
	if _, err := os.Stat(sys + "/partition"); err == nil {
		sys = filepath.Dir(sys)
		if device, err = read(sys + "/dev"); err != nil {
			return "", "", err
		}
	}
	return strings.TrimSpace(device), filepath.Base(sys), nil
}
