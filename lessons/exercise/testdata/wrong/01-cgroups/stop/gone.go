// diagnosis: gone
//go:build linux && mine

package cgroup

import (
	"errors"

	"golang.org/x/sys/unix"
)

func killOneByOne(dir string) error {
	pids, err := procs(dir + "/cgroup.procs")
	for _, pid := range pids {
		if pid > 0 {
			err = errors.Join(err, unix.Kill(pid, unix.SIGKILL))
		}
	}
	for _, sub := range children(dir) {
		err = errors.Join(err, killOneByOne(sub))
	}
	return err
}
