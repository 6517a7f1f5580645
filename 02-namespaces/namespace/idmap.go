//go:build linux && !mine

package namespace

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// writeMaps writes who is who into the user namespace of a process that waits: user_namespaces(7).
func (s Spec) writeMaps(pid int) error {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	groups := "deny" // must stand before gid_map is written by somebody without privilege
	if s.Setgroups {
		groups = "allow"
	}
	for _, f := range [][2]string{{"uid_map", lines(s.UIDs)}, {"setgroups", groups}, {"gid_map", lines(s.GIDs)}} {
		fd, err := unix.Open(dir+f[0], unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			_, err = unix.Write(fd, []byte(f[1])) // in one piece: the kernel takes the first write only
			unix.Close(fd)
		}
		if err != nil {
			return &os.PathError{Op: fmt.Sprintf("write %q to", f[1]), Path: dir + f[0], Err: err}
		}
	}
	return nil
}
