//go:build linux

package child

import (
	"errors"
	"syscall"
)

// An Error is an error in the form in which it is sent to another process: its text and the errno
// that it wraps, so that errors.Is and errors.As find the errno there. Everything else is lost.
type Error struct {
	Text  string        `json:"text"`
	Errno syscall.Errno `json:"errno,omitempty"`
}

// PackError converts err for sending; nil stays nil.
func PackError(err error) *Error {
	if err == nil {
		return nil
	}
	e := &Error{Text: err.Error()}
	errors.As(err, &e.Errno)
	return e
}

// Unpack returns the received error; nil stays nil.
// (A nil *Error in a variable of type error would not be nil.)
func (e *Error) Unpack() error {
	if e == nil {
		return nil
	}
	return e
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}
