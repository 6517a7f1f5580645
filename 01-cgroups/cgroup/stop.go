//go:build linux && !mine

package cgroup

import (
	"errors"

	"golang.org/x/sys/unix"
)

// killOneByOne is for kernels without cgroup.kill: nobody can fork while all are frozen, so the list is complete.
// A process that may not be killed by us, or has gone already, is not an error here: the group that does not become
// empty is, and the caller waits for that.
func killOneByOne(dir string) error {
	pids, err := procs(dir + "/cgroup.procs")
	for _, sub := range children(dir) {
		err = errors.Join(err, killOneByOne(sub))
	}
	for _, pid := range pids {
		if pid > 0 { // 0 stands for a process outside of our pid namespace
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return err
}
