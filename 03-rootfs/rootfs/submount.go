//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// noSubmounts returns an error if something is mounted below a layer. An overlay does not show
// what is mounted in its layers (and in a user namespace the kernel refuses such a layer,
// EINVAL), so files would be missing without a word. What is hidden by a mount of ours is no
// loss: /proc of an image in which a package manager has run, for instance.
func noSubmounts(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		below, ok := strings.CutPrefix(unescaped(fields[4]), strings.TrimSuffix(dir, "/")+"/")
		if !ok || below == "" || hidden(below) || !isMountPoint(path.Join(dir, below)) {
			continue
		}
		at := path.Join(dir, below)
		return fmt.Errorf("rootfs %s: another file system is mounted at %s, which an overlay does "+
			"not show: unmount it, or mount it with -volume %s:/%s", dir, at, at, below)
	}
	return nil
}

// hidden reports whether a directory of ours, or a mount, lies over the path in each root.
func hidden(below string) bool {
	top, _, _ := strings.Cut(below, "/")
	switch top {
	case "dev", "proc", "sys":
		return true
	}
	return false
}

// isMountPoint asks statx(2): a line of the table may be of a mount that another one lies over.
func isMountPoint(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// unescaped is a path as it is: in mountinfo, spaces and the like are octal numbers
// (proc_pid_mountinfo(5)).
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
