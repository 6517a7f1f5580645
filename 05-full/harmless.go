//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

// remove deletes what matters in a container, and counts with the shell alone what is left. (rm -rf /
// does the same, but takes its time where /usr is large.)
const remove = `rm -rf /etc /home /root /srv /usr/bin /usr/sbin /var /volume 2>/dev/null
for d in /usr/bin /var; do n=0; for f in $d/*; do [ -e "$f" ] && n=$((n+1)); done; echo $d $n; done`

func harmless(n *narrate.Narrator) error {
	n.Question("What does rm -rf in a container delete on the host?")
	n.Idea("The container's files are a layer in memory above the host's /usr: deleting them " +
		"changes only that layer. A volume is the host's own directory: deleting there is real.")
	dir, err := scratch.New()
	if err != nil {
		return err
	}
	defer stage.OnInterrupt(func() { _ = dir.Remove() })()
	defer func() { _ = dir.Remove() }()
	volume, err := createVolume(dir)
	if err != nil {
		return err
	}
	defer volume.Close()
	_, lost, err := deleteAll(volume, false)
	if err != nil {
		return err
	}
	n.Control("Run rm -rf in a container that has a writable volume",
		narrate.Show("file on the volume", lost))
	n.Do(narrate.Call{
		Text: "Run rm -rf /etc /usr/bin /var /volume … again, with the volume read-only",
		Sys:  [][2]string{{"mount_setattr(fd, …, {MOUNT_ATTR_RDONLY})", "also mounts below"}},
		Go:   `rootfs.Volume{Source: dir, Target: "/volume", ReadOnly: true}`, Man: "mount_setattr(2)",
		Hand: "go run ./05-full -volume DIR:/volume:ro -- rm -rf --no-preserve-root /", At: rootfs.PickUp,
		Without: "Run rm -rf again, with the volume writable again",
	})
	before := entriesOf("/", "/etc", "/usr", "/usr/bin", "/var")
	left, kept, err := deleteAll(volume, !n.Without)
	if err != nil {
		return err
	}
	after := entriesOf("/", "/etc", "/usr", "/usr/bin", "/var")
	compare := func(dir string) narrate.Row {
		return narrate.Compare("host's "+dir, plural(after[dir], "entry", "entries"),
			"container", plural(left[dir], "entry", "entries"))
	}
	n.Proof("A read-only volume survives rm -rf in the container", kept == "still there",
		narrate.Compare("file on the volume", kept, "writable volume", lost))
	n.Proof("The host's directories survive rm -rf in the container",
		fmt.Sprint(before) == fmt.Sprint(after) && left["/usr/bin"] == 0 && left["/var"] == 0,
		compare("/usr/bin"), compare("/var"))
	n.Detail(narrate.Show("host's /, /etc, /usr",
		fmt.Sprintf("%d, %d, %d entries", after["/"], after["/etc"], after["/usr"])))
	n.Why("docker run -v mounts a volume writable unless you append :ro.")
	n.WithDocker("docker run -v DIR:/volume:ro …",
		"unshare --user --map-root-user --mount sh -ec "+
			"'mount -t tmpfs none /mnt; touch /mnt/mine; rm -rf /mnt/*; ls -A /mnt'",
		"ls /usr/bin | wc -l")
	n.Clean("The container has exited, and its layer in memory is gone. The volume is removed.")
	return nil
}

// marker is the file on the volume that rm deletes.
const marker = "marker"

// deleteAll runs rm in a container that has the volume. It returns how many entries some directories
// still have in the container, and what became of the file on the volume.
func deleteAll(volume *os.File, readOnly bool) (left map[string]int, file string, err error) {
	if err := mark(volume); err != nil {
		return nil, "", err
	}
	out, err := run(remove,
		rootfs.Volume{Source: volume.Name(), Target: "/volume", ReadOnly: readOnly},
	)
	if err != nil {
		return nil, "", err
	}
	left = map[string]int{}
	for line := range strings.Lines(out) {
		dir, count, _ := strings.Cut(strings.TrimSpace(line), " ")
		if left[dir], err = strconv.Atoi(count); err != nil {
			return nil, "", fmt.Errorf("the container printed %q", out)
		}
	}
	file = "still there"
	if unix.Faccessat(int(volume.Fd()), marker, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil {
		file = "deleted"
	}
	return left, file, nil
}

// createVolume creates a directory in dir that belongs to root in the container: in any other,
// permission bits alone would protect the marker. It is closed to every other user.
func createVolume(dir *scratch.Dir) (*os.File, error) {
	if err := dir.AllowSearch(); err != nil {
		return nil, err
	}
	volume, err := dir.Mkdir("volume", 0o700)
	if err != nil || !namespace.Container().Shifted() {
		return volume, err
	}
	if err := volume.Chown(namespace.FirstID, namespace.FirstID); err != nil {
		volume.Close()
		return nil, err
	}
	return volume, nil
}

// mark creates a new marker on the volume. The volume belongs to the container, so what is done there
// by name is done in the open directory, and follows no link.
func mark(volume *os.File) error {
	if err := unix.Unlinkat(int(volume.Fd()), marker, 0); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: marker, Err: err}
	}
	f, err := scratch.CreateIn(volume, marker, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("precious\n")
	return errors.Join(err, f.Close())
}

// entriesOf counts the entries of the host's directories that an accident would hit.
func entriesOf(dirs ...string) map[string]int {
	counts := map[string]int{}
	for _, dir := range dirs {
		counts[dir] = len(list(dir))
	}
	return counts
}
