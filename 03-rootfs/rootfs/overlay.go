//go:build linux && !mine

package rootfs

import "strings"

// Overlay lays a writable directory over others: target shows them merged, every write goes to upper, and what is in
// lower stays as it is. lower lists the topmost first. work is an empty directory on upper's
// file system, where the kernel prepares what must appear in upper in one piece.
// flags are mount(2)'s. See Documentation/filesystems/overlayfs.rst in the kernel's sources.
func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	paths := make([]string, len(lower))
	for i, l := range lower {
		paths[i] = escaped(l)
	}
	// The option userxattr keeps overlayfs's notes in attributes named user.overlay.*. Its own default, trusted.overlay.*,
	// takes CAP_SYS_ADMIN on the host, which root in a user namespace does not have. (A tmpfs keeps no attributes of users
	// before Linux 6.6. Where upper is in one, a directory that lower has can be emptied there, but neither deleted nor created again: EIO.)
	return mount("overlay", target, "overlay", flags, "userxattr,lowerdir="+strings.Join(paths, ":")+
		",upperdir="+escaped(upper)+",workdir="+escaped(work))
}
