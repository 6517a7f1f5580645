package narrate

import (
	"io"
	"os"
	"sync"
)

// An Output writes to another writer and keeps the first error, so that a program can report at
// exit that its output is lost, as on a full disk. Write itself never fails, because code that
// prints a line could not handle the error. (If no process reads a pipe, SIGPIPE terminates the
// program.)
type Output struct {
	to  io.Writer
	mu  sync.Mutex
	err error
}

// NewOutput returns an Output that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{to: w} }

// Stdout is the standard output to which a program prints everything.
var Stdout = NewOutput(os.Stdout)

// Write writes p and keeps an error for Err.
func (o *Output) Write(p []byte) (int, error) {
	_, err := o.to.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return len(p), nil
}

// Err returns the first error of a write.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
