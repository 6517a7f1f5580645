// diagnosis: creates
//go:build linux && mine

package cgroup

import "os"

func write(path, data string) error {
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		return &WriteError{path, data, err}
	}
	return nil
}
