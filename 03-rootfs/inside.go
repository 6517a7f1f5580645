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

// start starts a registered function in a process with these new namespaces, and sends it a
// question. The process lives until Close, so that the step can look at it from outside.
func start(name string, new namespace.Set, ask any) (*child.Process, error) {
	p, err := child.Command(name)
	if err != nil {
		return nil, err
	}
	namespace.Spec{New: new}.Apply(p.Cmd)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a process in new namespaces: %w", err)
	}
	// The process is about to change mounts, which must not be the machine's.
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

// inside starts a registered function like start, receives its answer, and stops it.
func inside(name string, new namespace.Set, ask, answer any) error {
	p, err := start(name, new, ask)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Receive(answer)
}

// answering registers a function that receives a question, makes its mounts private, and sends an
// answer. Then the process waits, so that the step can look at it from outside.
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

// place creates a temporary directory on the host for a step. done removes it.
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
		n.Clean("removed " + dir.Path + "; the kernel has removed the mounts with their namespaces")
	}, nil
}

// populate creates files, and the directories above them. The map is from path to text; a path that
// ends in a slash is a directory.
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

// look returns the text of a file, or the name of the errno.
func look(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return errno.Outcome(err)
	}
	return string(raw)
}

// readable returns "readable" if what look returned is the text of the file, or the errno.
func readable(got, text string) string {
	if got == text {
		return "readable"
	}
	return got
}

// attempt tries to create a file, and returns "allowed" or the name of the errno.
func attempt(path string) string {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return errno.Outcome(err)
}

// list returns the names in a directory, or the name of the errno.
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

// link returns where /proc/PID/root of a process leads, with the step's directory as "…".
func link(pid int, dir *scratch.Dir) (string, error) {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
	return short(to, dir), err
}

// short replaces the step's directory by "…": its name is different in each run.
func short(path string, dir *scratch.Dir) string { return strings.Replace(path, dir.Path, "…", 1) }

// mounts returns the mount table of a process: one line a mount (proc_pid_mountinfo(5)).
func mounts(pid any) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%v/mountinfo", pid))
	if err != nil {
		return []string{errno.Outcome(err)}
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// quantity returns a number with its noun: "1 mount", "20 mounts".
func quantity(k int, noun string) string {
	if k == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", k, noun)
}
