package errno

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is the name of the errno in an error, such as EPERM (errno(3)), or the error's text if there is none: what an attempt
// came to, as evidence.
func Name(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return unix.ErrnoName(number)
	}
	return err.Error()
}

// Outcome is what a call came to, in a word: "allowed", or the name of its errno.
func Outcome(err error) string {
	if err == nil {
		return "allowed"
	}
	return Name(err)
}
