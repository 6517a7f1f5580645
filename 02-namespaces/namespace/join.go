//go:build linux

package namespace

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// joinOneByOne is for kernels before 5.8. It opens all links before it enters anything: behind the first setns there
// may be another /proc, or none.
func joinOneByOne(pid int, s Set) error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	var flags []Set
	for _, t := range Types() {
		if s&t.Flag == 0 {
			continue
		}
		path := "/proc/" + strconv.Itoa(pid) + "/ns/" + t.Name
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		fds, flags = append(fds, fd), append(flags, t.Flag)
	}
	for i, fd := range fds {
		if err := unix.Setns(fd, int(flags[i])); err != nil {
			return fmt.Errorf("setns(%s) of process %d: %w", flags[i], pid, err)
		}
	}
	return nil
}
