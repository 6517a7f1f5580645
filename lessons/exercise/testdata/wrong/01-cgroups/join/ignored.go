// diagnosis: swallows
//go:build linux && mine

package cgroup

import "os"

func JoinSelf(files []*os.File) error {
	for _, f := range files {
		_, _ = f.WriteString("0")
	}
	return nil
}
