//go:build linux

package rootfs

import (
	"golang.org/x/sys/unix"
)

// Etc writes /etc. The root on board gets all that programs ask for, and nothing of the host's; a root of layers has
// its own, and only what depends on this container is written: its name, and whom it knows by name.
func (r *Rootfs) Etc() error {
	hostname := r.Hostname
	if hostname == "" {
		hostname = "localhost"
	}
	hosts := r.Hosts
	if hosts == "" {
		hosts = "127.0.0.1 localhost\n::1 localhost\n"
		if hostname != "localhost" {
			hosts += "127.0.1.1 " + hostname + "\n"
		}
	}
	files := [][2]string{{"etc/hostname", hostname + "\n"}, {"etc/hosts", hosts}, {"etc/resolv.conf", r.Resolv}}
	if len(r.layers) == 0 {
		files = append(files, onBoardFiles...)
	}
	for _, f := range files {
		if err := write(f[0], f[1]); err != nil {
			return err
		}
	}
	if len(r.layers) > 0 {
		return nil
	}
	for _, l := range onBoardLinks {
		if err := symlink(l[0], l[1]); err != nil {
			return err
		}
	}
	return r.alternatives()
}

var onBoardFiles = [][2]string{
	// Two users, as every image has them: root, and the one who owns nothing (the owner of what is not mapped).
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
	{"etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"},
	// Where the C library looks for names: our files, then (hosts) the name server.
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	{"etc/profile", "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\u@\\h:\\w\\$ '\n"},
}

var onBoardLinks = [][2]string{
	{"../proc/self/mounts", "etc/mtab"},
	{"../usr/lib/os-release", "etc/os-release"},
}

// alternatives shows the links of /etc/alternatives, read-only: on Debian awk, vi and nc lead through there, from /usr
// and back to /usr. Copying the links takes twenty times as long as the mount.
func (r *Rootfs) alternatives() error {
	const dir = "/etc/alternatives"
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // other distributions have none
	}
	if err := mkdir(dir[1:], 0o755); err != nil {
		return err
	}
	return r.showHost(dir, dir[1:])
}
