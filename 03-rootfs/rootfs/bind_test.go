//go:build linux

package rootfs

import (
	"os"
	"testing"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type bound struct {
	Same       bool   // the file seen here is the file there
	There      string // what was written here, read there
	At, Below  mountPoint
	Inside     string // a file of what is mounted below the source
	Source     string // making a file in the source itself, afterwards
	Write      string // and in the target
	WriteBelow string
}

var binding = room.New("bind", 0, func(b *bound) error {
	if err := files(map[string]string{"lent/file": "lent", "here/": ""}); err != nil {
		return err
	}
	if err := Bind("lent", "here"); err != nil {
		return err
	}
	there, _ := os.Stat("lent/file")
	if here, err := os.Stat("here/file"); err == nil {
		b.Same = os.SameFile(there, here)
	}
	_ = os.WriteFile("here/note", []byte("from here"), 0o644)
	b.There = read("lent/note")
	return nil
})

// What is bound is the same file at two places.
func TestBind(t *testing.T) {
	saw, err := binding.Run(t)
	claim.NoError(t, "Bind shows a directory at another place too", err)
	claim.Equal(t, "the file at the new place is the same as at the old one, not a copy", "stat(2), both files' numbers", true, saw.Same)
	claim.Equal(t, "what is written at the new place is read at the old one", "reading the file", "from here", saw.There)
}

var bindingReadOnly = room.New("bind-read-only", 0, func(b *bound) error {
	if err := files(map[string]string{"lent/file": "lent", "lent/below/": "", "ro/": ""}); err != nil {
		return err
	}
	if err := Memory("lent/below"); err != nil {
		return err
	}
	if err := files(map[string]string{"lent/below/inside": "deep"}); err != nil {
		return err
	}
	err := BindReadOnly("lent", "ro")
	b.At, b.Below, b.Inside = mountAt("ro"), mountAt("ro/below"), read("ro/below/inside")
	b.Source, b.Write, b.WriteBelow = touch("lent/new"), touch("ro/new"), touch("ro/below/new")
	return err
})

// A read-only bind mount is so in all its depth, and the source stays writable.
func TestBindReadOnly(t *testing.T) {
	saw, err := bindingReadOnly.Run(t)
	claim.State(t, "mounted", saw.At)
	claim.State(t, "mounted below", saw.Below)
	claim.State(t, "write", saw.Write)
	claim.State(t, "write below", saw.WriteBelow)
	claim.State(t, "write to the source", saw.Source)
	claim.NoError(t, "BindReadOnly shows a directory at another place", err)
	claim.Equal(t, "root cannot make a file at the new place", "open(2) with O_CREAT", "EROFS", saw.Write)
	claim.Equal(t, "what is mounted below the source is seen too", "reading a file there", "deep", saw.Inside)
	claim.Equal(t, "nor in what is mounted below it", "open(2) with O_CREAT", "EROFS", saw.WriteBelow)
	claim.Equal(t, "the source itself can still be written to", "open(2) with O_CREAT", "allowed", saw.Source)
	for _, option := range []string{"nosuid", "nodev"} {
		claim.True(t, "the kernel lists the option "+option+" for the new mount", "/proc/self/mountinfo", saw.At.has(option), option, saw.At)
	}
}
