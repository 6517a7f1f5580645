//go:build linux

package interpreter

import (
	"errors"
	"io/fs"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Status is the exit status for an error of execve(2), as a shell has it: 127 if there is no such
// program, 126 if it cannot be executed. It is 0 if the program is not to blame: that there is no
// memory or no further process says nothing about it. The errnos are those that execve(2) has and
// clone(2) does not, because os/exec calls both by one name.
func Status(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return 127
	}
	// exec.ErrDot: PATH has it in the working directory.
	for _, e := range []error{exec.ErrDot, fs.ErrPermission, unix.ENOEXEC, unix.ENOTDIR, unix.ELOOP,
		unix.ETXTBSY, unix.ENAMETOOLONG, unix.E2BIG, unix.EISDIR} {
		if errors.Is(err, e) {
			return 126
		}
	}
	return 0
}
