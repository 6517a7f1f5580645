package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"containerkit/lessons/vm/wire"
)

// A Config is what the user asks for.
type Config struct {
	Engine  string // "auto", "qemu" or "uml"
	Memory  int    // MiB
	CPUs    int
	Kernel  string // path of the kernel's image; "" is the newest that is installed
	Share   string // "ro": the checkout is as it is now, and changes to it stay in the VM; "rw": it is the host's own
	User    string // in the guest: "root" or "learner"
	Time    bool   // print the phases of the boot
	Console bool   // print what the kernel says

	Keep []string // directories below /tmp or /run that the guest is to see; it has a /tmp and a /run of its own

	Command []string // nil is a login shell
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File

	Cancel  <-chan struct{}  // when it is closed, the machine ends at once, and Run with ErrCancelled
	Started func(how string) // told what it runs on; may be nil

	raw atomic.Bool // the terminal is in raw mode
}

// ErrCancelled is the end of a machine that was not wanted any more.
var ErrCancelled = errors.New("the VM was ended before the command had")

// Check tells what of it makes no sense.
func (c *Config) Check() error {
	switch {
	case !slices.Contains([]string{"auto", "qemu", "uml"}, c.Engine):
		return fmt.Errorf("no engine %q; there are auto, qemu and uml", c.Engine)
	case c.Memory < 512:
		// The kernel, its caches of the host's files, and the overlay's upper layer.
		return fmt.Errorf("-memory %d: the VM needs 512 MiB at least", c.Memory)
	case c.CPUs < 1 || c.CPUs > 64:
		return fmt.Errorf("-cpus %d: from 1 to 64", c.CPUs)
	case c.Share != "ro" && c.Share != "rw":
		return fmt.Errorf("-share %q: ro or rw", c.Share)
	case c.User != "root" && c.User != "learner":
		return fmt.Errorf("-user %q: root or learner", c.User)
	}
	for i, dir := range c.Keep {
		abs, err := filepath.Abs(dir)
		if dir == "" { // filepath.Abs takes it for the working directory
			return errors.New("-keep needs the name of a directory")
		}
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return fmt.Errorf("-keep: %w", err)
		}
		c.Keep[i] = abs
	}
	return nil
}

// An Engine can make a kernel run.
type Engine interface {
	// Name is what -engine calls it.
	Name() string
	// Available tells, quickly, why it cannot run here: a *Missing if something can be installed.
	Available(c *Config) error
	// Lacks are the features that a guest of this engine does not have, in words; Run says them before the start.
	Lacks() []string
	// Start boots a guest. It adds to s what only the engine knows: Root, Shares, Disk. init is the static program to
	// run as /init. The guest reads s from the stream; Run sends it.
	Start(c *Config, init []byte, s *wire.Start) (*Machine, error)
}

// A Machine is a guest that boots or runs.
type Machine struct {
	// How says in a few words what it runs on, for people: "QEMU 7.2 with software emulation".
	How string
	// Conn is the stream to the guest's /init.
	Conn io.ReadWriteCloser
	// Piece is how many bytes the stream takes to the guest before they must have been read there.
	Piece int
	// Console is what the kernel prints; it ends with the machine.
	Console io.Reader
	// Wait waits until all of its processes have ended, and tells why if it was not the guest's wish.
	Wait func() error
	// Kill ends it at once, with all of its processes. It may be called at any time and more than once.
	Kill func()
}
