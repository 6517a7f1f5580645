//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/lessons/kit/errno"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
)

// bigFile is the size of a file that is expensive to copy.
const bigFile = 4 << 20

type overlayAsk struct {
	Base, Extra string // the layers: Extra is above Base
	Memory      string // where the writable layers are created, in memory
	Without     bool
}

type overlayAnswer struct {
	Merged     []string // the names in the merged directory
	Greeting   string   // a file that both layers have
	Changed    string   // its text after a write
	Upper      usage    // of the upper layer, after one byte was added to a big file
	UpperStart usage    // and before any write
	Big        string   // the big file in the upper layer
	BigStart   string   // and before the write
	Whiteout   string   // what the upper layer has for the deleted file
	Deleted    string   // what the base has for it
	Unwanted   string   // a file of the base, which a whiteout in another layer hides
	Second     usage    // what a second start copied
	Took       time.Duration
}

// usage says how many files a tree has, and how many bytes.
type usage struct {
	Files int
	Bytes int64
}

// measure adds up the files below a directory.
func measure(dir string) (u usage) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if st, err := d.Info(); err == nil {
				u.Files, u.Bytes = u.Files+1, u.Bytes+st.Size()
			}
		}
		return nil
	})
	return u
}

// describe returns what kind of file is at path, as ls -l shows it, or the name of the errno.
func describe(path string) string {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err != nil:
		return errno.Outcome(err)
	case st.Mode&unix.S_IFMT == unix.S_IFCHR:
		rdev := uint64(st.Rdev)
		return fmt.Sprintf("character device %d,%d", unix.Major(rdev), unix.Minor(rdev))
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		return fmt.Sprintf("file of %d bytes", st.Size)
	}
	return fs.FileMode(st.Mode).String()
}

var onOverlay = answering("on-overlay", func(q overlayAsk) (a overlayAnswer, err error) {
	if err := rootfs.Memory(q.Memory); err != nil {
		return a, err
	}
	first := layer{q.Memory + "/first"}
	deletes := q.Memory + "/deletes"
	if err := populate(q.Memory, map[string]string{"deletes/": ""}); err != nil {
		return a, err
	}
	if q.Without {
		// No layer: the base itself, writable.
		if err := populate(first.dir, map[string]string{"upper/": "", "merged/": ""}); err != nil {
			return a, err
		}
		err = rootfs.Bind(q.Base, first.merged())
	} else if err = rootfs.Whiteout(deletes + "/unwanted"); err == nil {
		err = first.mount(deletes, q.Extra, q.Base)
	}
	if err != nil {
		return a, err
	}
	if err := a.write(first, q.Base); err != nil {
		return a, err
	}
	return a, a.startAgain(q)
})

// write changes, extends and deletes files in the merged directory, and looks where that shows.
func (a *overlayAnswer) write(l layer, base string) error {
	m, upper := l.merged(), l.upper()
	a.Merged, a.Greeting, a.UpperStart = list(m), look(m+"/greeting"), measure(upper)
	a.Unwanted = look(m + "/unwanted")
	if err := os.WriteFile(m+"/greeting", []byte("changed"), 0o644); err != nil {
		return err
	}
	a.Changed, a.BigStart = look(m+"/greeting"), describe(upper+"/big")
	if err := appendByte(m + "/big"); err != nil {
		return err
	}
	a.Upper, a.Big = measure(upper), describe(upper+"/big")
	if err := os.Remove(m + "/doomed"); err != nil {
		return err
	}
	a.Whiteout, a.Deleted = describe(upper+"/doomed"), describe(base+"/doomed")
	return nil
}

// startAgain prepares the files of a second container: from the same layers, or without them by
// copy.
func (a *overlayAnswer) startAgain(q overlayAsk) (err error) {
	begin := time.Now()
	second := layer{q.Memory + "/second"}
	if q.Without {
		err = os.CopyFS(second.upper(), os.DirFS(q.Base))
	} else {
		err = second.mount(q.Extra, q.Base)
	}
	a.Took, a.Second = time.Since(begin), measure(second.upper())
	return err
}

// A layer is a writable layer in memory, and the directory that shows it merged with others.
type layer struct{ dir string }

func (l layer) upper() string  { return l.dir + "/upper" }
func (l layer) merged() string { return l.dir + "/merged" }

func (l layer) mount(lower ...string) error {
	dirs := map[string]string{"upper/": "", "work/": "", "merged/": ""}
	if err := populate(l.dir, dirs); err != nil {
		return err
	}
	return rootfs.Overlay(lower, l.upper(), l.dir+"/work", l.merged(), 0)
}

// appendByte adds a byte to a file.
func appendByte(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err = f.WriteString("!"); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// texts are the files of the two layers.
var texts = map[string]string{
	"base/greeting": "from base", "base/unwanted": "from base", "base/doomed": "from base",
	"base/big":       strings.Repeat("x", bigFile),
	"extra/greeting": "from extra", "extra/added": "from extra",
	"memory/": "", "copy/": "",
}

// overlay shows that writes go to the upper layer, and leave the lower layers unchanged.
func overlay(n *narrate.Narrator) error {
	n.Question("Do a hundred containers need a hundred copies of their image?")
	n.Idea("Overlayfs merges directories. A read takes a file from the topmost layer that has it. " +
		"A write copies the file to the upper layer first (copy-up). A deletion leaves a whiteout " +
		"there, which hides the file below.")
	if !can(n, layers) {
		return nil
	}
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	if err := populate(dir.Path, texts); err != nil {
		return err
	}
	begin := time.Now()
	if err := os.CopyFS(dir.Join("copy"), os.DirFS(dir.Join("base"))); err != nil {
		return err
	}
	took, copied, before := time.Since(begin), measure(dir.Join("copy")), measure(dir.Join("base"))
	n.Control("Copy: a container starts from a copy of base/",
		narrate.Show("files copied", copied.Files), narrate.Show("bytes copied", copied.Bytes))
	n.Do(narrate.Call{
		Text: "Mount an upper layer in memory over deletes/, extra/ and base/",
		Sys: [][2]string{{`mknod("deletes/unwanted", S_IFCHR, 0)`, "creates a whiteout"},
			{`mount("overlay", "merged", "overlay", 0, "…,lowerdir=deletes:extra:base,…")`, ""}},
		Go:  "rootfs.Overlay([]string{deletes, extra, base}, upper, work, merged, 0)",
		Man: "mount(2), mknod(2), Documentation/filesystems/overlayfs.rst",
		Hand: "mount -t overlay -o lowerdir=deletes:extra:base,upperdir=upper,workdir=work " +
			"overlay merged",
		At:      rootfs.Overlay,
		Without: "Bind-mount base/ itself, writable",
	})
	ask := overlayAsk{dir.Join("base"), dir.Join("extra"), dir.Join("memory"), n.Without}
	var a overlayAnswer
	if err := inside(onOverlay, namespace.Mount, ask, &a); err != nil {
		return err
	}
	after := measure(dir.Join("base"))
	n.Detail(narrate.Show("merged/", strings.Join(a.Merged, " ")),
		narrate.Show("merged/greeting", a.Greeting, "before the write"),
		narrate.Compare("files in base/", after.Files, "before", before.Files),
		narrate.Compare("bytes in base/", after.Bytes, "before", before.Bytes),
		narrate.Compare("time of a start", a.Took.Round(time.Microsecond),
			"copy", took.Round(time.Microsecond)))
	overlayClaims(n, dir, a, copied)
	return nil
}

// overlayClaims shows where the writes of the container went.
func overlayClaims(n *narrate.Narrator, dir *scratch.Dir, a overlayAnswer, copied usage) {
	base, extra := look(dir.Join("base", "greeting")), look(dir.Join("extra", "greeting"))
	n.Proof("A write leaves the lower layers unchanged",
		a.Changed == "changed" && base == texts["base/greeting"] && extra == texts["extra/greeting"],
		narrate.Compare("base/greeting", base, "merged/greeting", a.Changed),
		narrate.Compare("extra/greeting", extra, "merged/greeting", a.Changed))
	n.Proof("A write of one byte copies up the whole file",
		a.Upper.Bytes == bigFile+1+int64(len(a.Changed)) && a.Upper.Files == 2,
		narrate.Compare("upper/big", a.Big, "before the write", a.BigStart))
	n.Proof("A deletion leaves a whiteout in the upper layer", a.Whiteout == "character device 0,0",
		narrate.Compare("upper/doomed", a.Whiteout, "base/doomed", a.Deleted))
	n.Proof("A whiteout in an image's layer deletes a file of a layer below", a.Unwanted == "ENOENT",
		narrate.Compare("merged/unwanted", a.Unwanted,
			"base/unwanted", look(dir.Join("base", "unwanted"))))
	n.Proof("A second start from the same layers copies nothing", a.Second == usage{},
		narrate.Compare("files copied", a.Second.Files, "copy", copied.Files),
		narrate.Compare("bytes copied", a.Second.Bytes, "copy", copied.Bytes))
	n.Why("Copy-up is why a database belongs on a volume; docker diff lists the upper layer.")
	n.WithDocker("docker diff CONTAINER",
		`box=yes unshare --user --map-root-user --mount sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir lower upper work merged; echo below > lower/file`,
		`mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay merged`,
		`rm merged/file; ls -l upper`,
		`cat lower/file`,
		`END`,
	)
}
