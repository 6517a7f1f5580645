// diagnosis: not-read-back
//go:build linux && mine

package cgroup

func (s setting) put(path string) error { return write(path, s.data) }
