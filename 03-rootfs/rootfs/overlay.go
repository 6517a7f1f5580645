//go:build linux

package rootfs

import "strings"

// Overlay lays a writable directory over others: target shows them merged, every write goes to upper, and what is in
// lower stays as it is. lower lists the topmost first, as the kernel wants it. work is an empty directory on upper's
// file system, where the kernel prepares what must appear in upper in one piece.
// See Documentation/filesystems/overlayfs.rst in the kernel's sources.
//
// The option userxattr keeps overlayfs's notes in attributes named user.overlay.*. Its own default, trusted.overlay.*,
// takes CAP_SYS_ADMIN on the host, which root in a user namespace does not have.
func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	paths := make([]string, len(lower))
	for i, l := range lower {
		paths[i] = escaped(l)
	}
	return mount("overlay", target, "overlay", flags, "userxattr,lowerdir="+strings.Join(paths, ":")+
		",upperdir="+escaped(upper)+",workdir="+escaped(work))
}
