// Package errno turns an error of the kernel into what it meant here and what to do about it.
//
// A kernel has some hundred numbers for everything that can go wrong, so each of them means many things. Which one it
// was follows from the operation: EINVAL of pivot_root(2) is not EINVAL of mount(2). Explain finds the operation in
// the error's type (os.PathError, os.SyscallError) or in its text, so errors should name it: "mount overlay on /x: …".
//
// Use it where an error is shown to a reader. Do not use it to decide anything: for that there is errors.Is.
package errno

import (
	"errors"
	"strings"
	"syscall"
)

// Explain returns one or two sentences on an error, or nothing if there is nothing to add.
func Explain(err error) string {
	var number syscall.Errno
	if err == nil || !errors.As(err, &number) {
		return ""
	}
	f := failure{text: strings.ToLower(err.Error())}
	for _, r := range rules {
		if r.matches(number, f) {
			if why := r.why(f); why != "" {
				return why
			}
		}
	}
	return ""
}

// A failure is what is known about an error besides its number.
type failure struct {
	text string // the whole error, in lower case
}

// A rule is one meaning of one number (or of two that mean the same).
type rule struct {
	numbers []syscall.Errno
	ops     []string // the text holds one of these; none: any operation
	why     func(failure) string
}

func (r rule) matches(number syscall.Errno, f failure) bool {
	for _, n := range r.numbers {
		if n != number {
			continue
		}
		if len(r.ops) == 0 {
			return true
		}
		for _, op := range r.ops {
			if strings.Contains(f.text, op) {
				return true
			}
		}
	}
	return false
}
