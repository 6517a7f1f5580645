// diagnosis: only-below
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func killOneByOne(dir string) error {
	for _, sub := range children(dir) {
		pids, err := procs(sub + "/cgroup.procs")
		if err != nil {
			return err
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return nil
}
