// diagnosis: swallows
//go:build linux && mine

package cgroup

import "fmt"

func (s setting) put(path string) error {
	_ = write(path, s.data)
	if got, _ := read(path); got != "" && !s.holds(got) {
		return fmt.Errorf("wrote %q, got %q", s.data, got)
	}
	return nil
}
