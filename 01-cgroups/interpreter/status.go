//go:build linux

package interpreter

import (
	"errors"
	"io/fs"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Status returns the exit status for an error of execve(2), as in a shell: 127 if the program does
// not exist, 126 if it cannot be executed. It returns 0 if the error is not about the program, such
// as a lack of memory or processes. Its errnos are those that execve(2) returns and clone(2) does
// not, because os/exec reports both calls under one name.
func Status(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return 127
	}
	// exec.ErrDot: PATH led to the working directory.
	for _, e := range []error{exec.ErrDot, fs.ErrPermission, unix.ENOEXEC, unix.ENOTDIR, unix.ELOOP,
		unix.ETXTBSY, unix.ENAMETOOLONG, unix.E2BIG, unix.EISDIR} {
		if errors.Is(err, e) {
			return 126
		}
	}
	return 0
}
