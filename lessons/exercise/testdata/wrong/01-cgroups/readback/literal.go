// diagnosis: too-literal
//go:build linux && mine

package cgroup

import "fmt"

func (s setting) put(path string) error {
	if err := write(path, s.data); err != nil {
		return err
	}
	got, err := read(path)
	if err != nil {
		return err
	}
	if got != s.data {
		return fmt.Errorf("wrote %q, got %q", s.data, got)
	}
	return nil
}
