//go:build linux

package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/narrate"
)

const (
	ioLimit   = 4 * mib // bytes per second
	ioWritten = 6 * mib
)

// disk: a write is held to its bytes per second.
func disk(n *narrate.Narrator) error {
	n.Question("Can one program keep the disk to itself?")
	h, err := find(n)
	if h == nil {
		return err
	}
	dir, device, name, err := throttleable()
	if err != nil {
		n.Skip(fmt.Sprintf("no disk to throttle: %v; to run it: TMPDIR=DIR with a directory on a disk (ext4, xfs)", err), true)
		return nil
	}
	free, done, err := open(n, h, "free", cgroup.Resources{Count: []string{"io"}})
	if free == nil {
		return err
	}
	defer done()
	without, err := pour(free, dir)
	if err != nil {
		return err
	}
	n.OldBefore(fmt.Sprintf("without a limit: %d MiB to %s (%s, %s), past the cache with O_DIRECT", ioWritten/mib, dir, name, device),
		narrate.Data{"MiB/s": without})
	if without < 2*ioLimit/mib {
		n.Skip(fmt.Sprintf("%s writes %.1f MiB/s by itself, too slow to show a limit of %d; to run it: TMPDIR=DIR on a faster disk", name, without, ioLimit/mib), true)
		return nil
	}

	limit := cgroup.Resources{IO: []cgroup.IOLimit{{Device: device, Write: ioLimit}}, Count: []string{"io"}}
	if n.Without {
		limit.IO = nil
	}
	data := fmt.Sprintf("%s wbps=%d", device, ioLimit)
	if h.Version == cgroup.V1 {
		data = fmt.Sprintf("%s %d", device, ioLimit)
	}
	n.Do(narrate.Call{
		Text:   fmt.Sprintf("make a group that may write %d MiB a second to this disk", ioLimit/mib),
		Go:     fmt.Sprintf(`cgroup.New("io", cgroup.Resources{IO: []cgroup.IOLimit{{Device: %q, Write: %d << 20}}})`, device, ioLimit/mib),
		OldSys: fmt.Sprintf(`write("…/%s", "%s")`, h.Version.Local("io.max"), data),
		Man:    "Documentation/admin-guide/cgroup-v2.rst \"IO\"; v1: cgroup-v1/blkio-controller.rst",
		Hand:   fmt.Sprintf("echo '%s' > %s", data, h.Version.Local("io.max")),
		At:     cgroup.New,
	})
	g, done, err := open(n, h, "io", limit)
	if g == nil {
		return err
	}
	defer done()
	show(n, g, "io.max")
	got, err := pour(g, dir)
	if err != nil {
		return err
	}
	show(n, g, "io.stat")
	n.OldProof(fmt.Sprintf("a write is held to %d MiB a second", ioLimit/mib),
		got <= 1.4*ioLimit/mib, fmt.Sprintf("%.1f MiB/s", got), fmt.Sprintf("%.1f MiB/s", without))
	if h.Version == cgroup.V1 {
		n.Note("v1 throttles O_DIRECT writes only: what goes through the cache is written later by the kernel, which is in no group. v2 knows whose pages they are (with the memory controller, on ext4, btrfs and xfs)")
	} else {
		n.Note("O_DIRECT makes the wait visible at once: a write to the cache is fast, and pays when the kernel writes it back. v2 knows whose pages they are then; v1 does not")
	}
	group := h.Parents[map[cgroup.Version]string{1: "blkio", 2: "io"}[h.Version]] + "/" + cgroup.ByHand
	byHand(n, h, "io", group, "rm -f $file; rmdir "+group,
		"export file=$(mktemp -p '"+dir+"')   # a new one: a name that others could guess may be a link by now",
		"echo '"+data+"' > "+group+"/"+h.Version.Local("io.max"),
		"sh -c 'echo $$ > "+group+"/cgroup.procs && exec dd if=/dev/zero of=$file bs=256K count=16 oflag=direct'")
	return nil
}

// throttleable finds a directory that we may write to and that lies on a disk.
func throttleable() (dir, device, name string, err error) {
	cwd, _ := os.Getwd()
	var why error
	for _, dir := range []string{os.TempDir(), cwd, "/var/tmp"} {
		device, name, err := cgroup.Disk(dir)
		if err == nil {
			var f *os.File
			if f, err = scratchFile(dir); err == nil {
				_ = f.Close()
				return dir, device, name, nil
			}
		}
		if why == nil {
			why = err
		}
	}
	return "", "", "", why
}

// scratchFile opens a file that has no name from the start, so that nothing is left behind however we end
// (open(2), O_TMPFILE).
func scratchFile(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE|unix.O_DIRECT, 0o600)
	if err != nil {
		return nil, fmt.Errorf("a scratch file, written past the cache, in %s: %w", dir, err)
	}
	return f, nil
}

// pour writes in the group, and says how fast it went, in MiB a second.
func pour(g *cgroup.Group, dir string) (speed float64, err error) {
	f, err := scratchFile(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p, err := start(g, pourer, f)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	var took time.Duration
	if err := p.Receive(&took); err != nil {
		return 0, err
	}
	return round(ioWritten / mib / took.Seconds()), nil
}

// pourer writes to its descriptor 3, in pieces, and says how long it took.
var pourer = child.Register("pourer", func(c *child.Conn) error {
	// O_DIRECT wants memory that begins at a multiple of the disk's block: mmap gives whole pages.
	piece, err := unix.Mmap(-1, 0, 256<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	began := time.Now()
	for written := 0; written < ioWritten; {
		n, err := unix.Pwrite(3, piece, int64(written))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("write past the cache: %w", err)
		}
		written += n
	}
	return c.Send(time.Since(began))
})
