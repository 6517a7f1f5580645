package narrate

import (
	"io"
	"os"
	"sync"
)

// An Output writes to another writer and keeps the first error, so that a program can say at its end
// that what it printed is not there, as on a full disk. A write never fails: who prints a line has
// nothing better to do about it. (A pipe that no process reads ends the program, by SIGPIPE.)
type Output struct {
	to  io.Writer
	mu  sync.Mutex
	err error
}

// NewOutput returns an Output that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{to: w} }

// Stdout is standard output, for all that a program prints.
var Stdout = NewOutput(os.Stdout)

// Write writes p.
func (o *Output) Write(p []byte) (int, error) {
	_, err := o.to.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return len(p), nil
}

// Err is the first error of a write.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
