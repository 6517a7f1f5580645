//go:build linux

package stage

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Streams are the payload's standard streams: the caller's own where it has none.
func (p Payload) Streams() (stdin, stdout, stderr *os.File) {
	or := func(f, standard *os.File) *os.File {
		if f == nil {
			return standard
		}
		return f
	}
	return or(p.Stdin, os.Stdin), or(p.Stdout, os.Stdout), or(p.Stderr, os.Stderr)
}

// Signals are caught for a payload, and kept until it can get them.
type Signals struct {
	kept  chan os.Signal
	rest  func()       // catches those that Catch has not caught yet
	ended atomic.Int32 // the last of them that asks a program to end
}

// Catch catches what a payload should get. Without it a signal ends the program, and the payload with it, though the
// payload may want to do something else about it: call it before anything exists that would be left behind.
func Catch() *Signals {
	s := newSignals()
	s.rest()
	return s
}

func newSignals() *Signals {
	s := &Signals{kept: make(chan os.Signal, 64)}
	s.rest = sync.OnceFunc(func() { signal.Notify(s.kept, notIgnored(forwarded)...) })
	return s
}

// Catch is the function Catch, if that was not called for the payload before. stop ends the catching.
func (p Payload) Catch() (s *Signals, stop func()) {
	if p.caught != nil {
		return p.caught(), func() {} // it goes on until the program exits
	}
	s = Catch()
	return s, s.Stop
}

// catchBeside begins to catch signals, and returns a function that waits until those are caught that
// people and tools end a program with; Forward waits for the rest. Each takes a switch between threads.
// SIGQUIT comes first, or Go would print what each goroutine does.
func catchBeside() (caught func() *Signals) {
	s := newSignals()
	signal.Notify(s.kept, syscall.SIGQUIT)
	caught = sync.OnceValue(func() *Signals {
		signal.Notify(s.kept, notIgnored(ending)...)
		return s
	})
	go func() {
		caught()
		s.rest()
	}()
	return caught
}

// forwarded are the signals that a payload gets: all but those that
//   - no program can catch: SIGKILL and SIGSTOP
//   - are about this program itself: its children, and Go's scheduler and profiler
//   - are real-time signals, the C library's
//   - stop a job that uses its terminal (Ctrl-Z): they stop us, too, or the shell would wait for us
var forwarded = func() (list []os.Signal) {
	for s := syscall.Signal(1); s < firstRealTime; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGPROF, syscall.SIGURG,
			syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		default:
			list = append(list, s)
		}
	}
	return list
}()

// firstRealTime is the kernel's SIGRTMIN. (signal(7))
const firstRealTime = 32

// Blame returns the reason why a payload could not be started. A signal that ends programs, sent to our process group or
// typed at our terminal, has ended what does not catch it yet, too: then this is no error, and the status says which
// signal it was, as a shell does.
func (s *Signals) Blame(err error) (status int, _ error) {
	patience := time.Duration(0)
	for _, gone := range []error{io.EOF, syscall.EPIPE, syscall.ESRCH, syscall.ENOENT} {
		if errors.Is(err, gone) { // what has died of a signal: ours is on its way
			patience = 200 * time.Millisecond
		}
	}
	for end := time.Now().Add(patience); s.ended.Load() == 0; {
		select {
		case sig := <-s.kept:
			s.note(sig)
		case <-time.After(time.Until(end)):
			return 0, err
		}
	}
	return 128 + int(s.ended.Load()), nil
}

// note notes a signal that asks a program to end.
func (s *Signals) note(sig os.Signal) syscall.Signal {
	if slices.Contains(ending, sig) {
		s.ended.Store(int32(sig.(syscall.Signal)))
	}
	return sig.(syscall.Signal)
}

// Forward passes them on to the payload, until stop: first all that were kept, because it did not exist when they came.
// typed says that it must be told of what is typed at our terminal, too, because it has a session of its own.
func (s *Signals) Forward(typed bool, send func(syscall.Signal)) (stop func()) {
	s.rest()
	for kept := len(s.kept); kept > 0; kept-- {
		send(s.note(<-s.kept))
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-s.kept:
				if typed || !fromTerminal(sig) {
					send(s.note(sig))
				}
			}
		}
	}()
	return func() { close(done) }
}

// Stop ends the catching.
func (s *Signals) Stop() { signal.Stop(s.kept) }

// fromTerminal reports whether a signal is a Ctrl-C, a Ctrl-\ or a new size from our terminal. Then a payload in our
// session has got it already: the terminal sends it to all of its foreground process group, in which we both are.
func fromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT && s != syscall.SIGWINCH {
		return false
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false // no terminal
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
