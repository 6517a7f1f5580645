// Package errno explains an error from the kernel: what it means here, and what to do about it.
//
// The kernel has about a hundred numbers for all errors, so each number has many meanings. Which
// one applies depends on the operation: EINVAL from pivot_root(2) is not EINVAL from mount(2).
// Explain finds the operation in the error's text, so errors should name it: "mount overlay on /x:
// …".
//
// Use it where a reader sees an error. When not to use it: for decisions, because errors.Is does
// that.
package errno

import (
	"errors"
	"strings"
	"syscall"
)

// Explain returns a few sentences about an error, or "" if there is nothing to add.
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

// A failure holds what an explanation needs besides the errno.
type failure struct {
	text string // the whole error, in lower case
}

// A rule is one meaning of one errno, or of several that mean the same.
type rule struct {
	numbers []syscall.Errno
	ops     []string // the text contains one of these; if empty: any operation
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
