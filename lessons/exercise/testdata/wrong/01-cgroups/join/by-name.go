// diagnosis: by-name

//go:build linux && mine

package cgroup

import "os"

func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if err := write(f.Name(), "0"); err != nil {
			return err
		}
	}
	return nil
}
