//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

// start starts a registered function in a process with these new namespaces, and asks it. The process lives until
// Close, so that it can be looked at from outside meanwhile.
func start(name string, new namespace.Set, ask any) (*child.Process, error) {
	p, err := child.Command(name)
	if err != nil {
		return nil, err
	}
	namespace.Spec{New: new}.Apply(p.Cmd)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a process in new namespaces: %w", err)
	}
	// It is about to change mounts, and they had better not be the machine's.
	if err := new.Took(p.Process.Pid); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.Send(ask); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// inside is start, the answer, and the end.
func inside(name string, new namespace.Set, ask, answer any) error {
	p, err := start(name, new, ask)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Receive(answer)
}

// answering registers a function that gets a question, makes its mounts private, and gives an answer. Then the
// process waits, to be looked at.
func answering[Q, A any](name string, f func(Q) (A, error)) string {
	return child.Register(name, func(c *child.Conn) error {
		var q Q
		if err := c.Receive(&q); err != nil {
			return err
		}
		if err := namespace.MakePrivate(); err != nil {
			return err
		}
		a, err := f(q)
		if err != nil {
			return err
		}
		if err := c.Send(a); err != nil {
			return err
		}
		c.Wait()
		return nil
	})
}

// place makes a temporary directory on the host for a step, and tells when it is removed.
func place(n *narrate.Narrator) (dir *scratch.Dir, done func(), err error) {
	dir, err = scratch.New()
	if err != nil {
		return nil, nil, err
	}
	cancel := stage.OnInterrupt(func() { _ = dir.Remove() })
	return dir, func() {
		cancel()
		if err := dir.Remove(); err != nil {
			n.Fail(err)
			return
		}
		n.Clean("removed " + dir.Path + "; the mounts ended with their namespaces")
	}, nil
}

// populate makes files, and the directories above them: path to text. A path that ends in a slash is a directory.
func populate(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// look reads a file and returns what it says, or how that failed.
func look(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return errno.Outcome(err)
	}
	return string(raw)
}

// attempt tries to make a file.
func attempt(path string) string {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return errno.Outcome(err)
}

// list names what is in a directory.
func list(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{errno.Outcome(err)}
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// mounts reads the mount table of a process: one line a mount.
func mounts(pid any) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%v/mountinfo", pid))
	if err != nil {
		return []string{errno.Outcome(err)}
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}
