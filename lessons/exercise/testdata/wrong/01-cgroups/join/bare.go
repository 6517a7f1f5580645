// diagnosis: bare-error
//go:build linux && mine

package cgroup

import (
	"os"

	"golang.org/x/sys/unix"
)

func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if _, err := unix.Write(int(f.Fd()), []byte("0")); err != nil {
			return err
		}
	}
	return nil
}
