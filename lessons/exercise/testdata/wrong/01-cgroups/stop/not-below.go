// diagnosis: not-below
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func killOneByOne(dir string) error {
	pids, err := procs(dir + "/cgroup.procs")
	for _, pid := range pids {
		if pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return err
}
