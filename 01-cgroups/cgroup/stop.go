//go:build linux && !mine

package cgroup

import (
	"errors"

	"golang.org/x/sys/unix"
)

// killOneByOne kills every process that dir and the cgroups below it list, for kernels without
// cgroup.kill. The caller has frozen them, so none can fork, and the list is complete. A process
// that has exited, or that we are not allowed to kill, is no error here. The caller waits until the
// cgroup is empty, and fails if it never is.
func killOneByOne(dir string) error {
	pids, err := procs(dir + "/cgroup.procs")
	for _, sub := range children(dir) {
		err = errors.Join(err, killOneByOne(sub))
	}
	for _, pid := range pids {
		if pid > 0 { // 0 stands for a process outside our PID namespace
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return err
}
