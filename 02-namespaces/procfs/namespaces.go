//go:build linux

package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Of returns the namespaces of a process: the inode number of each kind, which identifies the
// namespace. Two processes are in the same namespace if and only if they have the same inode
// number. The links are in /proc/PID/ns. pid 0 is the calling thread: each thread has its own
// namespaces. (namespaces(7))
func Of(pid int) (map[string]uint64, error) {
	who := "thread-self"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	found := map[string]uint64{}
	for _, kind := range Kinds {
		path := "/proc/" + who + "/ns/" + kind
		var st unix.Stat_t // follows the link, to a file of the kernel's nsfs
		err := unix.Stat(path, &st)
		if errors.Is(err, fs.ErrNotExist) && kind == "time" {
			continue // a kernel without CONFIG_TIME_NS
		}
		if err != nil {
			return nil, &os.PathError{Op: "stat", Path: path, Err: err}
		}
		found[kind] = st.Ino
	}
	return found, nil
}

// Kinds lists the kinds of namespaces, named as in /proc/PID/ns, in the order of the course.
var Kinds = []string{"pid", "uts", "mnt", "ipc", "user", "net", "time", "cgroup"}

// Link returns the name of a namespace as the kernel writes it: "uts:[4026531838]".
func Link(name string, inode uint64) string { return fmt.Sprintf("%s:[%d]", name, inode) }
