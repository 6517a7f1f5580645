//go:build linux && !mine

package namespace

import "golang.org/x/sys/unix"

// MakePrivate makes all mounts of our mount namespace private. A new mount namespace is a copy, but
// a copy of a *shared* mount stays in the same peer group: a mount below one of them shows up in
// both. systemd makes all mounts shared at boot, so without this call our mounts would appear on
// the host. (mount_namespaces(7), "SHARED SUBTREES")
func MakePrivate() error {
	// MS_REC includes all mounts below /. The kernel ignores source, type and data when it changes
	// propagation.
	return pathError("mount --make-rprivate", "/", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}
