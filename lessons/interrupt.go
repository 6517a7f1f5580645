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

// stoppedBy is a signal that stopped a command.
type stoppedBy syscall.Signal

func (s stoppedBy) Error() string { return fmt.Sprintf("stopped by %v", syscall.Signal(s)) }

// interruptible returns a context that ends at the first signal by which people and systems stop a
// program. Its cause is a stoppedBy. A second signal terminates this process by its default action.
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

// stopping returns those signals. An ignored signal stays ignored, such as SIGHUP under nohup(1).
func stopping() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	return slices.DeleteFunc(all, signal.Ignored)
}

// ending returns the error of a command whose work returned err: a failure, or the exit status of a
// signal as a shell reports it (128+n).
func ending(err error) error {
	if s := stoppedBy(0); errors.As(err, &s) {
		return statusError(128 + int(s))
	}
	return failure{err}
}
