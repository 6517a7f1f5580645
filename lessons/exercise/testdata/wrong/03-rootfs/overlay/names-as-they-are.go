// diagnosis: not-escaped

//go:build linux && mine

package rootfs

import (
	"strings"
)

func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	return mount("overlay", target, "overlay", flags,
		"userxattr,lowerdir="+strings.Join(lower, ":")+",upperdir="+upper+",workdir="+work)
}
