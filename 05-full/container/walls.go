//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// A Capability is one of root's privileges, with the reason why a container keeps it.
type Capability struct {
	Cap capability.Cap
	Why string
}

// Kept are the capabilities of a container: Docker's default set. They apply only to objects that
// the container's user namespace owns. (capabilities(7))
var Kept = []Capability{
	{capability.CAP_CHOWN, "give files away: package managers do"},
	{capability.CAP_DAC_OVERRIDE, "root reads and writes the container's files whatever their mode"},
	{capability.CAP_FSETID, "keep set-user-ID bits when a file changes"},
	{capability.CAP_FOWNER, "chmod and the like on files of others"},
	{capability.CAP_MKNOD, "make device nodes; in a user namespace the kernel refuses anyway"},
	{capability.CAP_NET_RAW, "ping, on old systems; its packets stay in the container's network"},
	{capability.CAP_SETGID, "become another group: servers drop root that way"},
	{capability.CAP_SETUID, "become another user"},
	{capability.CAP_SETFCAP, "give capabilities to files"},
	{capability.CAP_SETPCAP, "drop more of them"},
	{capability.CAP_NET_BIND_SERVICE, "listen on ports below 1024"},
	{capability.CAP_SYS_CHROOT, "chroot; after pivot_root it leads nowhere"},
	{capability.CAP_KILL, "signal processes of other users of the container"},
	{capability.CAP_AUDIT_WRITE, "write to the audit log, as login programs do"},
}

// walls drops what the command does not need. This process starts the command, which inherits the
// rest.
func (a *assembly) walls() error {
	if a.Without&SessionKeys == 0 {
		// No namespace hides the session keyring of the caller. A process that inherits it can read
		// its keys, for example Kerberos tickets, whatever its UID is. So join a new, empty keyring
		// (session-keyring(7)). ENOSYS, EPERM: a kernel without keys, or a seccomp filter, which
		// denies keys to the command too.
		_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("join an empty session keyring (limit per user: /proc/sys/kernel/keys/maxkeys): %w", err)
		}
	}
	if a.Without&Capabilities == 0 {
		if err := KeepCapabilities(); err != nil {
			return err
		}
	}
	if a.Without&NoNewPrivs == 0 {
		// From here on no execve(2) adds privileges: set-user-ID bits and file capabilities have no
		// effect.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", err)
		}
	}
	return nil
}
