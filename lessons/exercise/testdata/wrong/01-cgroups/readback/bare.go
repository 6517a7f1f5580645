// diagnosis: bare-error

//go:build linux && mine

package cgroup

import "errors"

func (s setting) put(path string) error {
	if err := write(path, s.data); err != nil {
		return err
	}
	got, err := read(path)
	if err != nil {
		return err
	}
	if !s.holds(got) {
		return errors.New("the limit is not in force")
	}
	return nil
}
