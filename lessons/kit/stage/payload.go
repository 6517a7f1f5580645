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

// Streams returns the payload's standard streams, and the caller's own for those that are nil.
func (p Payload) Streams() (stdin, stdout, stderr *os.File) {
	or := func(f, standard *os.File) *os.File {
		if f == nil {
			return standard
		}
		return f
	}
	return or(p.Stdin, os.Stdin), or(p.Stdout, os.Stdout), or(p.Stderr, os.Stderr)
}

// Signals catches signals for a payload, and keeps them until the payload can receive them.
type Signals struct {
	kept  chan os.Signal
	rest  func()       // also catches the signals that are not caught yet
	ended atomic.Int32 // the last signal that asks a program to exit
}

// Catch catches the signals for a payload. Without it, a signal terminates the program and with it
// the payload, although the payload can have a handler. Call it before you create anything that
// would be left behind.
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

// Catch calls the function Catch, unless signals are already caught for the payload. stop stops the
// catching.
func (p Payload) Catch() (s *Signals, stop func()) {
	if p.caught != nil {
		return p.caught(), func() {} // catching continues until the program exits
	}
	s = Catch()
	return s, s.Stop
}

// catchBeside begins to catch signals in the background. caught waits until the signals are caught
// with which people and tools terminate a program; Forward waits for the rest. Each signal costs a
// switch between threads. SIGQUIT comes first, or Go would print a stack trace of each goroutine.
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

// forwarded lists the signals that a payload receives: all except those that
//   - no program can catch: SIGKILL and SIGSTOP
//   - are for this program itself: about its children, or for Go's scheduler and profiler
//   - are real-time signals, which the C library uses
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

// firstRealTime is the kernel's SIGRTMIN (signal(7)).
const firstRealTime = 32

// Blame returns why a payload could not start. A signal to our process group, or from our terminal,
// also terminates processes that do not catch it yet. If one came, Blame returns no error, and a
// status that says which signal it was, as a shell does.
func (s *Signals) Blame(err error) (status int, _ error) {
	patience := time.Duration(0)
	for _, gone := range []error{io.EOF, syscall.EPIPE, syscall.ESRCH, syscall.ENOENT} {
		if errors.Is(err, gone) { // a signal terminated a process, and reaches us soon
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

// note stores a signal that asks a program to exit, and returns every signal.
func (s *Signals) note(sig os.Signal) syscall.Signal {
	if slices.Contains(ending, sig) {
		s.ended.Store(int32(sig.(syscall.Signal)))
	}
	return sig.(syscall.Signal)
}

// Forward sends the signals to the payload until stop: first those that came before the payload
// existed. typed means that it also sends the signals from our terminal, because the payload has
// its own session.
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

// Stop stops the catching.
func (s *Signals) Stop() { signal.Stop(s.kept) }

// fromTerminal reports whether a signal is a Ctrl-C, a Ctrl-\ or a new size from our terminal. A
// payload in our session already has it: the terminal sends it to its whole foreground process
// group, to which both processes belong.
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
