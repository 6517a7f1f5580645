//go:build linux

package stage

import (
	"os"
	"os/signal"
	"syscall"

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

// forwarded are the signals by which people and tools tell a program something.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// Signals are caught for a payload, and kept until it can get them.
type Signals chan os.Signal

// Catch catches what people and tools send to this program. Without it a signal ends the program, and the payload with it,
// though the payload may want to do something else about it: call it before the payload can run.
func Catch() Signals {
	s := make(Signals, 8)
	signal.Notify(s, forwarded...)
	return s
}

// Forward passes them on to the payload, those that were kept first, until Stop. typed says that it must be told of what is
// typed at our terminal, too, because it has a session of its own.
func (s Signals) Forward(typed bool, send func(syscall.Signal)) {
	go func() {
		for sig := range s {
			if typed || !fromTerminal(sig) {
				send(sig.(syscall.Signal))
			}
		}
	}()
}

// Stop ends the catching.
func (s Signals) Stop() {
	signal.Stop(s)
	close(s)
}

// fromTerminal tells whether a signal is a Ctrl-C or Ctrl-\ from our terminal. Then a payload in our session has got it
// already: the terminal sends it to all of its foreground process group, in which we both are.
func fromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
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
