package errno

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name returns the name of the errno in an error, such as EPERM (errno(3)), or the error's text if
// it has none. Use it for evidence: the result of an attempt.
func Name(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return unix.ErrnoName(number)
	}
	return err.Error()
}

// Outcome returns the result of a call in one word: "allowed", or the name of its errno.
func Outcome(err error) string {
	if err == nil {
		return "allowed"
	}
	return Name(err)
}
