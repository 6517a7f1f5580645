//go:build linux

package stage

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

var (
	stopped  atomic.Bool
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
// After the clean-ups the program exits with 130, as a shell reports a Ctrl-C.
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

func interrupted() bool { return stopped.Load() }

// cancelOnSignal runs the registered clean-ups, latest first, when a signal asks the program to end.
func cancelOnSignal() (stop func()) {
	c := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case <-done:
			return
		case <-c:
		}
		stopped.Store(true)
		cleanMu.Lock()
		for id := nextID; id > 0; id-- {
			if f, ok := cleanups[id]; ok {
				f()
			}
		}
		os.Exit(130)
	}()
	return func() { signal.Stop(c); close(done) }
}
