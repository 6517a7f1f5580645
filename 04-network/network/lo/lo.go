//go:build linux

package lo

import (
	"os"

	"golang.org/x/sys/unix"
)

// Up sets the flag IFF_UP of "lo" in the network namespace of the calling thread, as `ip link set lo up` does.
// The kernel then adds 127.0.0.1/8 and ::1. It needs CAP_NET_ADMIN over that namespace.
// (netdevice(7), SIOCSIFFLAGS; network_namespaces(7).)
func Up() error {
	// An ioctl on an interface needs a socket only to select the network namespace; any type works.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	// Read the flags first: SIOCSIFFLAGS replaces all of them, and IFF_LOOPBACK must stay.
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return os.NewSyscallError("ioctl(SIOCGIFFLAGS, lo)", err)
	}
	ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return os.NewSyscallError("ioctl(SIOCSIFFLAGS, lo)", err)
	}
	return nil
}
