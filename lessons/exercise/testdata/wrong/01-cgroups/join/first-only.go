// diagnosis: not-everywhere
//go:build linux && mine

package cgroup

import "os"

func JoinSelf(files []*os.File) error {
	if _, err := files[0].WriteString("0"); err != nil {
		return err
	}
	return nil
}
