// diagnosis: nobody
//go:build linux && mine

package cgroup

import "os"

func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if _, err := f.WriteString(""); err != nil {
			return err
		}
	}
	return nil
}
