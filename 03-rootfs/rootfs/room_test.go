//go:build linux

package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/errno"
)

func TestMain(m *testing.M) {
	child.Init()
	os.Exit(m.Run())
}

// files makes files in the working directory: path to text. A path that ends in a slash is a directory.
func files(of map[string]string) error {
	for name, text := range of {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if strings.HasSuffix(name, "/") {
			continue // that was it
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// read is what a file says, or how that failed.
func read(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return errno.Outcome(err)
	}
	return string(raw)
}

// touch tries to make a file.
func touch(path string) string {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return errno.Outcome(err)
}

// names lists what is in a directory, in one line.
func names(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return errno.Outcome(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// kind says what stands at a path, as ls -l would.
func kind(path string) string {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err != nil:
		return errno.Outcome(err)
	case st.Mode&unix.S_IFMT == unix.S_IFCHR:
		return fmt.Sprintf("character device %d,%d", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return "directory"
	}
	return fmt.Sprintf("file of %d bytes", st.Size)
}

// A mountPoint is what /proc/PID/mountinfo says of a mount.
type mountPoint struct {
	FSType  string
	Options string // of this mount: "rw,nosuid,nodev"
	Super   string // of the file system
}

// has reports whether the mount has the option.
func (m mountPoint) has(option string) bool {
	return strings.Contains(","+m.Options+",", ","+option+",")
}

func (m mountPoint) String() string {
	if m.FSType == "" {
		return "nothing is mounted there"
	}
	return m.FSType + " " + m.Options
}

// mountAt is the topmost mount at the path; none is the zero mountPoint. (proc_pid_mountinfo(5).)
func mountAt(path string) (m mountPoint) {
	path, _ = filepath.Abs(path)
	raw, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(raw)) {
		left, right, _ := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if l[4] == path {
			m = mountPoint{r[0], l[5], r[len(r)-1]}
		}
	}
	return m
}
