//go:build linux

package network

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// In runs f in the network namespace of the process pid; 0 means our own. What f opens there, a netlink socket or a
// listener, belongs to that namespace for ever, whoever uses it later.
//
// A network namespace belongs to a thread, and Go moves goroutines between threads. So f gets a thread of its own,
// locked to its goroutine and never unlocked: when f is done, Go ends the thread instead of handing it, in the wrong
// namespace, to somebody else. f must start no process there: a child would die with the thread (PR_SET_PDEATHSIG).
// (setns(2) with CLONE_NEWNET; it takes CAP_SYS_ADMIN over the target and over our own user namespace.)
func In(pid int, f func() error) error {
	if pid == 0 {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			ns, err := netns.GetFromPid(pid)
			if err != nil {
				return fmt.Errorf("open the network namespace of process %d: %w", pid, err)
			}
			defer ns.Close()
			if err := netns.Set(ns); err != nil {
				return fmt.Errorf("setns(/proc/%d/ns/net): %w", pid, err)
			}
			return f()
		}()
	}()
	return <-done
}
