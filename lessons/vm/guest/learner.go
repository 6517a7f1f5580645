//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// The ordinary user, and where his processes live: a group that was handed over to him, and a leaf in it, because a
// group that hands controllers on may have no processes of its own.
const (
	learner     = "learner"
	learnerHome = "/home/learner"
	delegated   = "/sys/fs/cgroup/learner"
	leaf        = delegated + "/session"
	// binDir has this program under the name of the user: "learner COMMAND…" runs a command as him.
	binDir = "/run/containerkit"
)

// provide prepares, below the new root, what can only be had before it is moved over the old one: the command that
// becomes the user, and his cache of what Go has built, which begins as the host's.
func provide(s *wire.Start, uid int) error {
	if err := os.MkdirAll(newRoot+binDir, 0o755); err != nil {
		return err
	}
	if err := copyFile("/init", newRoot+binDir+"/"+learner); err != nil {
		return err
	}
	if s.GoCache == "" {
		return nil
	}
	if _, err := os.Stat("/lower" + s.GoCache); err != nil {
		return nil // nothing is built yet
	}
	const upper, work = "/rw/cache", "/rw/cache-work"
	// Go keeps its files in 256 directories. Merged with these, they are his.
	dirs := []string{upper}
	for i := range 256 {
		dirs = append(dirs, fmt.Sprintf("%s/%02x", upper, i))
	}
	for _, dir := range dirs {
		if err := unix.Mkdir(dir, 0o755); err != nil {
			return &os.PathError{Op: "mkdir", Path: dir, Err: err}
		}
		if err := unix.Chown(dir, uid, uid); err != nil {
			return &os.PathError{Op: "chown", Path: dir, Err: err}
		}
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{learnerHome, learnerHome + "/.cache", learnerHome + "/.cache/go-build"} {
		if err := os.MkdirAll(newRoot+dir, 0o755); err != nil {
			return err
		}
		if err := os.Chown(newRoot+dir, uid, uid); err != nil {
			return err
		}
	}
	return mount("overlay", newRoot+learnerHome+"/.cache/go-build", "overlay", unix.MS_NOSUID|unix.MS_NODEV,
		"lowerdir=/lower"+s.GoCache+",upperdir="+upper+",workdir="+work)
}

// addLearner makes the user in the overlay's /etc, and opens his way to what he needs.
func addLearner(s *wire.Start, uid int) error {
	for file, line := range map[string]string{
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d::%s:%s\n", learner, uid, uid, learnerHome, s.Shell),
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", learner, uid),
		"/etc/shadow": learner + ":*:::::::\n", // su, as root, asks for no password but wants a line
	} {
		// The host's user may not be allowed to read the last one.
		if err := appendLine(file, line); err != nil && !errors.Is(err, os.ErrPermission) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.MkdirAll(learnerHome, 0o755); err != nil {
		return err
	}
	if err := os.Chown(learnerHome, uid, uid); err != nil {
		return err
	}
	for _, dir := range s.Open {
		if err := openWay(dir, s); err != nil {
			return err
		}
	}
	return nil
}

// openWay lets the ordinary user pass through to a directory, not look around: the checkout and Go's caches may lie in
// somebody's closed home. A tree that is shared is the host's own, and not changed.
func openWay(dir string, s *wire.Start) error {
	for ; dir != "/"; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) || err == nil && st.Mode()&0o001 != 0 {
			continue
		}
		if err != nil {
			return err
		}
		shared := slices.ContainsFunc(s.Shares, func(share wire.Share) bool {
			return dir == share.Path || strings.HasPrefix(dir, share.Path+"/")
		})
		if !shared {
			err = os.Chmod(dir, st.Mode()|0o001)
		} else if s.User == learner {
			err = fmt.Errorf("%s is closed to others, and it is the host's own, shared for writing: chmod o+x it there, or take -share ro", dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// delegate hands a cgroup over to him (Documentation/admin-guide/cgroup-v2.rst, "Delegation"): the directory, and the
// files that the kernel names for it.
func delegate(uid int) error {
	if err := os.Mkdir(delegated, 0o755); err != nil {
		return err
	}
	if err := handDown(delegated); err != nil {
		return err
	}
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	files, err := os.ReadFile("/sys/kernel/cgroup/delegate")
	if err != nil {
		return err
	}
	for _, dir := range []string{delegated, leaf} {
		if err := os.Chown(dir, uid, uid); err != nil {
			return err
		}
		for _, file := range strings.Fields(string(files)) {
			if err := os.Chown(filepath.Join(dir, file), uid, uid); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// asLearner is what "learner COMMAND…" does: this process moves to the user's cgroup, becomes his, and then becomes
// the command; without one, his shell.
func asLearner(argv []string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can become another user")
	}
	var st unix.Stat_t
	if err := unix.Stat(learnerHome, &st); err != nil {
		return &os.PathError{Op: "stat", Path: learnerHome, Err: err}
	}
	if err := os.WriteFile(leaf+"/cgroup.procs", []byte("0"), 0); err != nil {
		return err
	}
	uid := int(st.Uid)
	// In this order: who has given up being root may not change the others any more (credentials(7)).
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"setgroups", func() error { return unix.Setgroups([]int{uid}) }},
		{"setgid", func() error { return unix.Setresgid(uid, uid, uid) }},
		{"setuid", func() error { return unix.Setresuid(uid, uid, uid) }},
	} {
		if err := c.call(); err != nil {
			return fmt.Errorf("%s %d: %w", c.name, uid, err)
		}
	}
	for name, value := range map[string]string{"HOME": learnerHome, "USER": learner, "LOGNAME": learner, "GOCACHE": learnerHome + "/.cache/go-build"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if len(argv) == 0 {
		argv = []string{os.Getenv("SHELL")}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return &os.PathError{Op: "exec", Path: path, Err: unix.Exec(path, argv, os.Environ())}
}

// freeID is a number that is no user and no group yet, from the first that is for people.
func freeID(root string) (int, error) {
	taken := map[string]bool{}
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		text, err := os.ReadFile(root + file)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Split(line, ":"); len(fields) > 2 {
				if fields[0] == learner {
					return 0, fmt.Errorf("%s has a %s already", file, learner)
				}
				taken[fields[2]] = true
			}
		}
	}
	for id := 1000; ; id++ {
		if !taken[fmt.Sprint(id)] {
			return id, nil
		}
	}
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line)
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
