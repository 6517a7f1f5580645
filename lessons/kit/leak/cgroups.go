//go:build linux

package leak

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
)

// A cgroupDir identifies a directory of a cgroup hierarchy by what stat(2) says.
type cgroupDir struct{ Dev, Ino uint64 }

// cgroupDirs returns the cgroup directories that this process reaches: those already mounted, and
// those that it mounts again in new user, mount and cgroup namespaces. The root of such a mount is
// the cgroup of the process that created the namespace (cgroup_namespaces(7)). In a hierarchy in
// which a container has no cgroup, that is the host's.
func cgroupDirs() (dirs []cgroupDir, err error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(raw)) {
		// proc_pid_mountinfo(5): the type follows " - "; the fifth field is the mount point.
		mount, kind, _ := strings.Cut(line, " - ")
		if strings.HasPrefix(kind, "cgroup") {
			if dir, ok := statCgroup(unix.AT_FDCWD, strings.Fields(mount)[4], 0); ok {
				dirs = append(dirs, dir)
			}
		}
	}
	p, err := child.Command(cgroupMounter)
	if err != nil {
		return dirs, err
	}
	// Mapped to itself, or execve would clear the new namespace's capabilities
	// (user_namespaces(7)).
	p.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP
	p.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	p.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	if err := p.Start(); err != nil {
		return dirs, err
	}
	defer p.Close()
	var again []cgroupDir
	err = p.Receive(&again)
	return append(dirs, again...), err
}

// cgroupMounter mounts each hierarchy of /proc/self/cgroup, attached nowhere, and reports the
// roots.
var cgroupMounter = child.Register("leak-cgroups", func(c *child.Conn) error {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	dirs := []cgroupDir{}
	for line := range strings.Lines(string(raw)) {
		// cgroups(7): number, controllers, path. The line for v2 has no controllers.
		if f := strings.SplitN(line, ":", 3); len(f) == 3 {
			if dir, ok := mountCgroup(f[1]); ok {
				dirs = append(dirs, dir)
			}
		}
	}
	return c.Send(dirs)
})

// mountCgroup mounts the hierarchy with these controllers, "" for v2, and returns its root.
func mountCgroup(controllers string) (dir cgroupDir, ok bool) {
	kind := "cgroup"
	if controllers == "" {
		kind = "cgroup2"
	}
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return dir, false
	}
	defer unix.Close(fs)
	for _, option := range strings.FieldsFunc(controllers, func(r rune) bool { return r == ',' }) {
		if key, value, named := strings.Cut(option, "="); named {
			err = errors.Join(err, unix.FsconfigSetString(fs, key, value), unix.FsconfigSetFlag(fs, "none"))
		} else {
			err = errors.Join(err, unix.FsconfigSetFlag(fs, option))
		}
	}
	if err = errors.Join(err, unix.FsconfigCreate(fs)); err != nil {
		return dir, false
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return dir, false
	}
	defer unix.Close(mount)
	return statCgroup(mount, "", unix.AT_EMPTY_PATH)
}

func statCgroup(fd int, path string, flags int) (cgroupDir, bool) {
	var st unix.Stat_t
	err := unix.Fstatat(fd, path, &st, flags)
	return cgroupDir{uint64(st.Dev), st.Ino}, err == nil
}

// cgroups finds the directories that a process of the host reaches.
func (h *host) cgroups() (err error) {
	if h.m.Cgroups, err = cgroupDirs(); err != nil {
		h.cannot["cgroups"] = fmt.Sprintf("the host itself can't mount its cgroups in a user namespace: %v", err)
	}
	return nil
}

func mountCgroups(m Markers) (bool, string) {
	dirs, err := cgroupDirs()
	shared := 0
	for _, dir := range dirs {
		if slices.Contains(m.Cgroups, dir) {
			shared++
		}
	}
	if shared == 0 && err != nil {
		return refused(err)
	}
	return shared > 0, fmt.Sprintf("%d of the host's directories", shared)
}
