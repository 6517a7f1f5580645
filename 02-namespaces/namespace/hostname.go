//go:build linux && !mine

package namespace

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetHostname changes the hostname of our UTS namespace. (sethostname(2))
func SetHostname(name string) error {
	return os.NewSyscallError("sethostname", unix.Sethostname([]byte(name)))
}
