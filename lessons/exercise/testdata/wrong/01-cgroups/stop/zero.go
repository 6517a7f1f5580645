// diagnosis: ourselves
//go:build linux && mine

package cgroup

import "golang.org/x/sys/unix"

func killOneByOne(dir string) error {
	pids, err := procs(dir + "/cgroup.procs")
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, sub := range children(dir) {
		if e := killOneByOne(sub); e != nil {
			return e
		}
	}
	return err
}
