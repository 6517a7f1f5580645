//go:build linux

package rootfs

import (
	"testing"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type whitedOut struct {
	File, Dir, Other string // what stands in the layer for each of the deleted
	Layer            string // all that the layer holds
	Merged           string // what is seen through the layers
	Below            string // what the layer below holds
	Refused          string // why nobody can mount an overlay here
}

var deleting = room.New("whiteout", 0, func(w *whitedOut) error {
	if err := files(map[string]string{
		"below/file": "old", "below/dir/x": "", "below/other": "", "below/kept": "",
		"layer/file": "new", "layer/dir/y": "", "upper/": "", "work/": "", "merged/": "",
	}); err != nil {
		return err
	}
	var failed error
	for _, name := range []string{"other", "file", "dir"} {
		if err := Whiteout("layer/" + name); err != nil && failed == nil {
			failed = err
		}
	}
	w.File, w.Dir, w.Other = kind("layer/file"), kind("layer/dir"), kind("layer/other")
	w.Layer, w.Below = names("layer"), names("below")
	if failed != nil {
		return failed
	}
	if err := Overlay([]string{"layer", "below"}, "upper", "work", "merged", 0); err != nil {
		w.Refused = errno.Outcome(err)
	}
	w.Merged = names("merged")
	return nil
})

// What has a whiteout in a layer is not seen, and still there below.
func TestWhiteout(t *testing.T) {
	saw, err := deleting.Run(t)
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "in the layer, for a file of below", saw.Other)
	claim.State(t, "in the layer, for a file of its own", saw.File)
	claim.State(t, "in the layer, for a directory of its own", saw.Dir)
	claim.State(t, "the layer holds", saw.Layer)
	claim.NoError(t, "Whiteout deletes files and directories, those that the layer has itself, too", err)
	const device = "character device 0,0"
	claim.Equal(t, "for a file of the layer below, a character device 0,0 stands in the layer", "lstat(2)", device, saw.Other)
	claim.Equal(t, "it takes the place of a file that the layer has itself", "lstat(2)", device, saw.File)
	claim.Equal(t, "and of a directory", "lstat(2)", device, saw.Dir)
	claim.Equal(t, "the layer below holds what it held", "listing it", "dir file kept other", saw.Below)
	if saw.Refused != "" {
		t.Skipf("this kernel mounts no overlay in a user namespace (%s): that takes Linux 5.11 and the module overlay", saw.Refused)
	}
	claim.Equal(t, "through the layers, only what was not deleted is seen", "listing the merged directory", "kept", saw.Merged)
}
