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

func disk(n *narrate.Narrator) error {
	n.Question("Can one container keep the disk to itself?")
	n.Idea("The kernel can limit the bytes and operations per second of a cgroup, for each disk. " +
		"A write with O_DIRECT skips the page cache, so it waits for the disk.")
	h, err := find(n)
	if h == nil {
		return err
	}
	dir, device, name, err := throttleable()
	if err != nil {
		n.Skip(fmt.Sprintf("no disk to throttle: %v; to run it: TMPDIR=DIR with a directory on a disk "+
			"(ext4, xfs)", err), true)
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
	n.Control(fmt.Sprintf("Without a limit: a program writes %d MiB with O_DIRECT", ioWritten/mib),
		narrate.Show("write speed", perSecond(without)))
	n.Detail(narrate.Show("directory", dir), narrate.Show("disk", name+", "+device))
	if without < 2*ioLimit/mib {
		n.Skip(fmt.Sprintf("%s writes only %.1f MiB/s, too slow to show a limit of %d; to run it: "+
			"TMPDIR=DIR on a faster disk", name, without, ioLimit/mib), true)
		return nil
	}

	limit := cgroup.Resources{Count: []string{"io"}}
	limit.IO = []cgroup.IOLimit{{Device: device, Write: ioLimit}}
	if n.Without {
		limit.IO = nil
	}
	data := fmt.Sprintf(either(h.Version, "%s %d", "%s wbps=%d"), device, ioLimit)
	n.Do(narrate.Call{
		Text: fmt.Sprintf("Run the program in a cgroup that can write %d MiB/s to this disk",
			ioLimit/mib),
		Sys: [][2]string{{writeCall(h.Version, "io.max", data), "disk, bytes/s"}},
		Go: fmt.Sprintf(`cgroup.New("io", cgroup.Resources{IO: []cgroup.IOLimit{`+
			`{Device: %q, Write: %d << 20}}})`, device, ioLimit/mib),
		Man:  "cgroups(7), open(2), " + kernelDocs(h.Version, "blkio-controller.rst", "IO"),
		Hand: fmt.Sprintf("echo '%s' > %s", data, h.Version.Local("io.max")), At: cgroup.New,
		Without: "Run the program again, without a limit",
	})
	g, done, err := open(n, h, "io", limit)
	if g == nil {
		return err
	}
	defer done()
	got, err := pour(g, dir)
	if err != nil {
		return err
	}
	show(n, g, "io.max", "io.stat")
	n.Proof("The kernel slows down writes that exceed the limit", got <= 1.4*ioLimit/mib,
		narrate.Compare("write speed", perSecond(got), unlimited, perSecond(without)))
	n.Note("%s", either(h.Version, "On cgroup v1, writes through the page cache are not limited.",
		"A write to the page cache returns at once: the limit applies at writeback."))
	n.Why("docker run --device-write-bps sets this limit. Without it, one backup can slow down " +
		"every container on the disk.")
	ioByHand(n, h, dir, data)
	return nil
}

func ioByHand(n *narrate.Narrator, h *cgroup.Hierarchy, dir, data string) {
	group := h.Parents[either(h.Version, "blkio", "io")] + "/" + cgroup.ByHand
	const docker = "docker run --device-write-bps /dev/DISK:4mb …"
	byHand(n, h, docker, "io", group, "rm -f $file; rmdir "+group,
		"export file=$(mktemp -p '"+dir+"')"+
			"   # a new file: a name that others can guess could be a link",
		"echo '"+data+"' > "+group+"/"+h.Version.Local("io.max"),
		"sh -c 'echo $$ > "+group+"/cgroup.procs && "+
			"exec dd if=/dev/zero of=$file bs=256K count=16 oflag=direct'")
}

func perSecond(speed float64) string { return fmt.Sprintf("%.1f MiB/s", speed) }

// throttleable finds a directory that we can write to and that is on a disk.
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

// scratchFile opens a file without a name, so that nothing is left behind however we exit (open(2),
// O_TMPFILE).
func scratchFile(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE|unix.O_DIRECT, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a scratch file with O_DIRECT in %s: %w", dir, err)
	}
	return f, nil
}

// pour writes in the cgroup, and returns the speed in MiB/s.
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

// pourer writes to file descriptor 3, in pieces, and reports how long it took.
var pourer = child.Register("pourer", func(c *child.Conn) error {
	// O_DIRECT needs memory that is aligned to the disk's blocks: mmap returns whole pages.
	piece, err := unix.Mmap(-1, 0, 256<<10, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON)
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
			return fmt.Errorf("write with O_DIRECT: %w", err)
		}
		written += n
	}
	return c.Send(time.Since(began))
})
