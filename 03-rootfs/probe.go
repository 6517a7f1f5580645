//go:build linux

package main

import (
	"errors"
	"fmt"
	"syscall"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
)

// all are the namespaces that a new root needs: /proc shows a PID namespace, /sys a network
// namespace, and /dev/mqueue an IPC namespace.
const all = namespace.Mount | namespace.PID | namespace.IPC | namespace.UTS | namespace.Net

// A probe tries whether the machine lets us do something. fix says what to do if it does not.
type probe struct{ what, fix string }

var (
	kernelFiles = probe{"proc", "Docker and other sandboxes mask parts of /proc, and then the kernel " +
		"allows no new one: run it outside of them, or with --privileged"}
	layers = probe{"overlay", "load the kernel module: modprobe overlay (in a user namespace it " +
		"needs Linux 5.11)"}
)

var probing = answering("probing", func(what string) (ok bool, err error) {
	if what == layers.what {
		if err := rootfs.Memory("/tmp"); err != nil {
			return false, err
		}
		if err := populate("/tmp", map[string]string{"lower/": ""}); err != nil {
			return false, err
		}
		return true, layer{"/tmp/top"}.mount("/tmp/lower")
	}
	r, err := rootfs.Begin(rootfs.Spec{})
	for _, step := range []func() error{r.Base, r.Proc, r.Sys} {
		if err == nil {
			err = step()
		}
	}
	return err == nil, err
})

// can runs the probes, and reports whether all succeed. If one fails, it skips the step.
func can(n *narrate.Narrator, probes ...probe) bool {
	for _, p := range probes {
		var refused syscall.Errno
		if err := inside(probing, all, p.what, nil); err != nil && !errors.As(err, &refused) {
			n.Fail(err) // not an errno: the fault is ours, not the machine's
			return false
		} else if err != nil {
			n.Skip(fmt.Sprintf("%v\n%s", err, p.fix), true)
			return false
		}
	}
	return true
}
