// diagnosis: another-flag

//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func MakePrivate() error {
	return unix.Mount("", "/", "", unix.MS_BIND|unix.MS_PRIVATE|unix.MS_REC, "")
}
