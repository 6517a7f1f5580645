//go:build linux

package stage

import (
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	stopped  atomic.Int32 // the signal that asked the program to exit
	cleanMu  sync.Mutex
	cleanups = map[int]func(){}
	nextID   int
)

// OnInterrupt registers a cleanup for the case that a signal (Ctrl-C, SIGTERM, SIGHUP) interrupts
// the program in the middle of a step. The returned function cancels it; defer it after the step's
// own cleanup:
//
//	group := …
//	defer stage.OnInterrupt(group.Remove)()
//
// After the cleanups, the program exits with 128+n, as a shell reports a signal: 130 for Ctrl-C.
func OnInterrupt(f func()) (cancel func()) {
	cleanMu.Lock()
	defer cleanMu.Unlock()
	nextID++
	id := nextID
	cleanups[id] = f
	return func() {
		cleanMu.Lock()
		defer cleanMu.Unlock()
		delete(cleanups, id)
	}
}

// Interrupted reports whether a signal has asked the program to exit.
func Interrupted() bool { return stopped.Load() != 0 }

// blamesSignal reports whether a signal is the cause of an error. A terminal sends a signal to all
// our processes, and it can terminate a child before Go delivers it here.
func blamesSignal(err error) bool {
	for end := time.Now().Add(200 * time.Millisecond); err != nil && !Interrupted() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return Interrupted()
}

// interruptStatus returns the exit status of an interrupted program.
func interruptStatus() int { return 128 + int(stopped.Load()) }

// ending lists the signals that ask a program to exit. SIGQUIT is one of them: without a handler,
// Go prints a stack trace of every goroutine.
var ending = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// asked receives the signals in ending, and no others.
var asked = &Signals{kept: make(chan os.Signal, 64), rest: func() {}}

// listen begins to catch the signals in ending.
func listen() *Signals {
	signal.Notify(asked.kept, notIgnored(ending)...)
	return asked
}

// notIgnored returns the signals without those that our caller ignores, as nohup(1) ignores SIGHUP.
// These stay ignored. (Go knows it only of SIGHUP and SIGINT: it has already replaced the handlers
// of the others.)
func notIgnored(signals []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(signals), signal.Ignored)
}

// cancelOnSignal waits for a signal that asks the program to exit. Then it runs the registered
// cleanups, the last one first, and exits. patience is the time in which the work can finish by
// itself and call stop.
func cancelOnSignal(patience time.Duration) (stop func()) {
	done := make(chan struct{})
	go func() {
		var s os.Signal
		select {
		case <-done:
			return
		case s = <-asked.kept:
		}
		stopped.Store(int32(s.(syscall.Signal)))
		runCleanups()
		select {
		case <-done:
			return
		case <-time.After(patience):
			os.Exit(interruptStatus())
		}
	}()
	return func() { close(done) }
}

func runCleanups() {
	cleanMu.Lock()
	defer cleanMu.Unlock()
	for id := nextID; id > 0; id-- {
		if f, ok := cleanups[id]; ok {
			f()
		}
	}
}
