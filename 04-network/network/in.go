//go:build linux

package network

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// In runs f in the network namespace of the process p; nil means our own. A netlink socket or a
// listener that f opens belongs to that namespace as long as it exists.
//
// A thread has a network namespace, and Go moves goroutines between threads. So f gets its own
// thread, locked to its goroutine and never unlocked. When f returns, Go terminates the thread and
// does not reuse it in the wrong namespace. f must start no process there: a child would be killed
// when the thread exits (PR_SET_PDEATHSIG).
//
// The process is named by its pidfd. A PID is not enough: /proc/PID/ns/net belongs to another
// process if the PID was reused, or if our /proc belongs to another PID namespace. (setns(2) with a
// pidfd and CLONE_NEWNET, since Linux 5.8; it requires CAP_SYS_ADMIN in the user namespace that
// owns the target and in our own.)
func In(p *procfs.Process, f func() error) error {
	if p == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Setns(p.PidFD(), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("setns(pidfd of process %d, CLONE_NEWNET): %w", p.PID, err)
			}
			return f()
		}()
	}()
	return <-done
}

// namespaceOf opens the network namespace of the process p; nil means our own. Netlink messages
// name a namespace by this file descriptor: netlink.NsFd.
func namespaceOf(p *procfs.Process) (*os.File, error) {
	if p == nil {
		return os.Open("/proc/thread-self/ns/net")
	}
	return p.Namespace("net")
}
