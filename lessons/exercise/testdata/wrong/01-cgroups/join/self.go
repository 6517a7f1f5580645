// diagnosis: error
//go:build linux && mine

package cgroup

import "os"

func JoinSelf(files []*os.File) error {
	for _, f := range files {
		if _, err := f.WriteString("self"); err != nil {
			return &WriteError{f.Name(), "self", err}
		}
	}
	return nil
}
