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
	stopped  atomic.Int32 // the signal that asked the program to end
	cleanMu  sync.Mutex
	cleanups = map[int]func(){}
	nextID   int
)

// OnInterrupt registers what must be undone if the program is interrupted (Ctrl-C, SIGTERM, SIGHUP) while a step is
// in the middle of something. The returned function takes it back; defer it after the step's own clean-up:
//
//	group := …
//	defer stage.OnInterrupt(group.Remove)()
//
// After the clean-ups the program exits with 128+n, as a shell reports a signal: 130 for Ctrl-C.
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

// Interrupted reports whether a signal has asked the program to end.
func Interrupted() bool { return stopped.Load() != 0 }

// blamesSignal reports whether a signal is to blame for an error. One that a terminal sends to all of us can end a child
// before Go has told us of our own.
func blamesSignal(err error) bool {
	for end := time.Now().Add(200 * time.Millisecond); err != nil && !Interrupted() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return Interrupted()
}

// interruptStatus is the exit status of an interrupted program.
func interruptStatus() int { return 128 + int(stopped.Load()) }

// ending are the signals that ask a program to end. SIGQUIT is one: Go's own answer to it is a stack trace of every
// goroutine.
var ending = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// asked gets them, and no others.
var asked = &Signals{kept: make(chan os.Signal, 64), rest: func() {}}

// listen begins to catch them.
func listen() *Signals {
	signal.Notify(asked.kept, notIgnored(ending)...)
	return asked
}

// notIgnored are those of the signals that our caller does not ignore, as nohup(1) does SIGHUP. They stay ignored. (Go
// knows that of SIGHUP and SIGINT only: the handlers of the others it has replaced before.)
func notIgnored(signals []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(signals), signal.Ignored)
}

// cancelOnSignal runs the registered clean-ups, latest first, when a signal asks the program to end, and exits. The work
// may end by itself then, and call stop: patience is the time that it gets for that.
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
