//go:build linux && !mine

package cgroup

import "fmt"

// put writes a limit to the file at path and reads it back, so the limit is in force before the
// load starts. The kernel can silently accept less than was written.
func (s setting) put(path string) error {
	if err := write(path, s.data); err != nil {
		return err
	}
	got, err := read(path)
	if err != nil {
		return err
	}
	if !s.holds(got) {
		return fmt.Errorf("cgroup: wrote %q to %s, and the kernel says %q", s.data, path, got)
	}
	return nil
}
