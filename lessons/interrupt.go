package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// stoppedBy is a signal that ended a command.
type stoppedBy syscall.Signal

func (s stoppedBy) Error() string { return fmt.Sprintf("stopped by %v", syscall.Signal(s)) }

// interruptible is a context that ends at the first signal by which people and systems stop a program. Its cause
// is a stoppedBy. A second signal ends us as it would have.
func interruptible(above context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(above)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, stopping()...)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(stoppedBy(s.(syscall.Signal)))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// stopping are those signals. What the caller ignores stays ignored, as SIGHUP under nohup(1).
func stopping() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	return slices.DeleteFunc(all, signal.Ignored)
}

// ending is the error of a command whose work ended with err: the exit status of a signal, as a shell has it
// (128+n), or a failure.
func ending(err error) error {
	if s := stoppedBy(0); errors.As(err, &s) {
		return statusError(128 + int(s))
	}
	return failure{err}
}
