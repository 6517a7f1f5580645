// diagnosis: options

//go:build linux && mine

package rootfs

import (
	"strings"
)

func Overlay(lower []string, upper, work, target string, flags uintptr) error {
	paths := make([]string, len(lower))
	for i, l := range lower {
		paths[i] = escaped(l)
	}
	return mount("overlay", target, "overlay", flags,
		"userxattr,lowerdir="+strings.Join(paths, ":")+",upperdir="+escaped(upper))
}
