// diagnosis: not-written
//go:build linux && mine

package cgroup

import "fmt"

func (s setting) put(path string) error {
	got, err := read(path)
	if err == nil && !s.holds(got) {
		err = fmt.Errorf("%s says %q", path, got)
	}
	return err
}
