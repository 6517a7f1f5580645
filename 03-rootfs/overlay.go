//go:build linux

package main

import (
	"crypto/rand"
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
)

const bigFile = 4 << 20

type overlayAsk struct {
	Base, Extra string // the layers: Extra lies over Base
	Memory      string // where the writable layer is made, in memory
	Copy        string // where a copy is made, to compare
	Without     bool
}

type overlayAnswer struct {
	Merged     []string // names seen through the layers
	Greeting   string   // a file that both layers have
	Changed    string   // what is read after writing to it
	Upper      usage    // of the writable layer after one byte was added to a big file
	UpperStart usage    // and before
	Whiteout   string   // what stands there for the deleted file
	Mode       string   // of the deleted file in the layer below
	Unwanted   string   // a file of the base, over which a layer has a whiteout that we made
	Second     usage    // what a second start copied
	Copied     usage    // what a start by copying copied
	SecondTook time.Duration
	CopyTook   time.Duration
}

// usage is what a tree holds.
type usage struct {
	Files int
	Bytes int64
}

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

// describe says what kind of file is at path, as ls -l would.
func describe(path string) string {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err != nil:
		return errno.Outcome(err)
	case st.Mode&unix.S_IFMT == unix.S_IFCHR:
		return fmt.Sprintf("character device %d,%d", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
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
		// No layer: the directory itself, writable.
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
	m, upper := first.merged(), first.upper()
	a.Merged, a.Greeting, a.UpperStart = list(m), look(m+"/greeting"), measure(upper)
	a.Unwanted = look(m + "/unwanted")

	if err := os.WriteFile(m+"/greeting", []byte("changed"), 0o644); err != nil {
		return a, err
	}
	a.Changed = look(m + "/greeting")
	if err := appendByte(m + "/big"); err != nil {
		return a, err
	}
	a.Upper = measure(upper)
	if err := os.Remove(m + "/doomed"); err != nil {
		return a, err
	}
	a.Whiteout, a.Mode = describe(upper+"/doomed"), describe(q.Base+"/doomed")

	// A second container from the same layers, and one from a copy.
	begin := time.Now()
	if err := os.CopyFS(q.Copy, os.DirFS(q.Base)); err != nil {
		return a, err
	}
	a.CopyTook, a.Copied = time.Since(begin), measure(q.Copy)
	if q.Without { // without layers the second one starts from a copy as well
		a.SecondTook, a.Second = a.CopyTook, a.Copied
		return a, nil
	}
	begin = time.Now()
	second := layer{q.Memory + "/second"}
	if err := second.mount(q.Extra, q.Base); err != nil {
		return a, err
	}
	a.SecondTook, a.Second = time.Since(begin), measure(second.upper())
	return a, nil
})

// A layer is a writable layer in memory with its mount.
type layer struct{ dir string }

func (l layer) upper() string  { return l.dir + "/upper" }
func (l layer) merged() string { return l.dir + "/merged" }

func (l layer) mount(lower ...string) error {
	if err := populate(l.dir, map[string]string{"upper/": "", "work/": "", "merged/": ""}); err != nil {
		return err
	}
	return rootfs.Overlay(lower, l.upper(), l.dir+"/work", l.merged(), 0)
}

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

// overlay: writes go to a layer on top; what lies below is untouched.
func overlay(n *narrate.Narrator) error {
	n.Question("A hundred containers from one image: is that a hundred copies?")
	if !can(n, layers) {
		return nil
	}
	dir, done, err := place(n)
	if err != nil {
		return err
	}
	defer done()
	if err := populate(dir.Path, map[string]string{
		"base/greeting": "from the base", "base/big": strings.Repeat("x", bigFile), "base/doomed": "to be deleted", "base/unwanted": "of an older version",
		"extra/greeting": "from the layer above", "extra/added": rand.Text(),
		"memory/": "", "copy/": "",
	}); err != nil {
		return err
	}
	before := measure(dir.Join("base"))
	n.OldBefore("two layers: a base, and one above it that replaces a file and adds one", narrate.Data{"base": list(dir.Join("base")), "extra": list(dir.Join("extra"))})
	n.Do(narrate.Call{
		Text:   "lay a writable layer in memory over both",
		Go:     "rootfs.Overlay([]string{extra, base}, upper, work, merged, 0)",
		OldSys: `mount("overlay", "merged", "overlay", 0, "lowerdir=extra:base,upperdir=upper,workdir=work,userxattr")`,
		Man:    "Documentation/filesystems/overlayfs.rst",
		Hand:   "mount -t overlay -o lowerdir=extra:base,upperdir=upper,workdir=work overlay merged",
		At:     rootfs.Overlay,
	})
	var a overlayAnswer
	if err := inside(onOverlay, namespace.Mount, overlayAsk{dir.Join("base"), dir.Join("extra"), dir.Join("memory"), dir.Join("copy"), n.Without}, &a); err != nil {
		return err
	}
	n.OldEvidence("the merged directory", strings.Join(a.Merged, " "))
	n.OldEvidence("the file that both layers have", a.Greeting)
	n.OldEvidence("the writable layer, after a file was replaced and one byte added to the big one", fmt.Sprintf("%d files, %d bytes", a.Upper.Files, a.Upper.Bytes))
	below := look(dir.Join("base", "greeting"))
	n.OldProof("what was written is seen on top, and the layers below are untouched",
		a.Changed == "changed" && below == "from the base" && look(dir.Join("extra", "greeting")) == "from the layer above",
		"below: "+below, "seen through the layers: "+a.Changed)
	n.OldProof("the first write copies the whole file up, be it a single byte", a.Upper.Bytes == bigFile+1+int64(len("changed")),
		a.Upper, a.UpperStart)
	n.OldProof("deleting leaves a whiteout on top: a character device 0,0; the file below is still there", a.Whiteout == "character device 0,0",
		a.Whiteout, "below: "+a.Mode)
	n.OldProof("a whiteout that we made in a layer deletes too: so does an image whose upper layer lacks a file of a lower one",
		a.Unwanted == "ENOENT", a.Unwanted, "below: "+look(dir.Join("base", "unwanted")))
	n.OldEvidence("a second start took, and a start by copying", fmt.Sprintf("%v and %v", a.SecondTook.Round(time.Microsecond), a.CopyTook.Round(time.Microsecond)))
	n.OldProof("a second start from the same layers copies nothing", a.Second == usage{}, a.Second, a.Copied)
	n.OldEvidence("the base before and after, from outside", fmt.Sprintf("%v and %v", before, measure(dir.Join("base"))))
	n.Note("copy-up is why a database belongs on a volume: the first byte written to a file costs all of it")
	n.Note("the option userxattr is for user namespaces; the layer is in memory here, so it goes with the container")
	n.ByHand(
		`box=yes unshare --user --map-root-user --mount sh -e <<'END'`,
		`[ "$box" ] || exit   # not on your machine`,
		`mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir lower upper work merged; echo below > lower/file`,
		`mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay merged`,
		`rm merged/file; ls -l upper`,
		`cat lower/file`,
		`END`,
	)
	return nil
}
