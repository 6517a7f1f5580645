//go:build linux

package rootfs

import (
	"os"
	"runtime"

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
	for _, name := range loaderFiles {
		if err := copyFile("/"+name, name); err != nil {
			return err
		}
	}
	return r.alternatives()
}

// loaderFiles say where the dynamic loader finds libraries outside of its default directories: in
// /usr/local/lib, or where a package has its own (ld.so(8), ldconfig(8)). musl has a list instead.
var loaderFiles = []string{"etc/ld.so.cache", "etc/ld-musl-" + machine[runtime.GOARCH] + ".path"}

// machine is a processor as the loader's file calls it (uname(2)).
var machine = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// copyFile copies a file of the host, if it is there. A bind mount would show the host's disk in the
// table of mounts.
func copyFile(from, to string) error {
	in, err := unix.Open(from, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: from, Err: err}
	}
	defer unix.Close(in)
	out, err := unix.Open(to, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "create", Path: to, Err: err}
	}
	defer unix.Close(out)
	for n := 1; n > 0; { // until the end of the file: sendfile(2)
		if n, err = unix.Sendfile(out, in, nil, 1<<20); err != nil {
			return &os.PathError{Op: "copy " + from + " to", Path: to, Err: err}
		}
	}
	return nil
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
