// diagnosis: not-escaped

//go:build linux && mine

package rootfs

import (
	"strings"
)

// The colons between the names are escaped with them: one layer with a long name.
func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	return mount("overlay", target, "overlay", flags,
		"userxattr,lowerdir="+escaped(strings.Join(lower, ":"))+",upperdir="+escaped(upper)+",workdir="+escaped(work))
}
