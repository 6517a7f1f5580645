//go:build linux

package network

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
)

// In runs f in the network namespace of the process p; nil means our own. What f opens there, a
// netlink socket or a listener, belongs to that namespace for ever, whatever thread uses it later.
//
// A network namespace belongs to a thread, and Go moves goroutines between threads. So f gets a
// thread of its own, locked to its goroutine and never unlocked: when f is done, Go ends the thread
// instead of using it, in the wrong namespace, for something else. f must start no process there: a
// child would die with the thread (PR_SET_PDEATHSIG).
//
// The process is named by its pidfd. Its PID would not do: /proc/PID/ns/net is the namespace of
// another process if the PID was given away, or if our /proc belongs to another PID namespace.
// (setns(2) with a pidfd and CLONE_NEWNET, since Linux 5.8; it requires CAP_SYS_ADMIN in the user
// namespace that owns the target and in our own.)
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

// namespaceOf opens the network namespace of the process p; nil means our own. Netlink takes the
// descriptor where a message names a namespace: netlink.NsFd.
func namespaceOf(p *procfs.Process) (*os.File, error) {
	if p == nil {
		return os.Open("/proc/thread-self/ns/net")
	}
	return p.Namespace("net")
}
