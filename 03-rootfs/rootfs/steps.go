//go:build linux

package rootfs

import "os"

// A Step is one step in building a root, after Begin.
type Step struct {
	Name string
	Do   func(*Rootfs) error
}

// Steps are the steps in their order. Stage 05's container puts other parts of its assembly before,
// after and between them (05-full/container/order.go, which says why each comes when it does); its
// test compares.
var Steps = []Step{
	{"base", (*Rootfs).Base},
	{"etc", (*Rootfs).Etc},
	{"dev", (*Rootfs).Dev},
	{"proc", (*Rootfs).Proc},
	{"sys", (*Rootfs).Sys},
	{"volumes", (*Rootfs).Volumes},
	{"pivot", (*Rootfs).Pivot},
	{"cover", (*Rootfs).Cover},
}

// Enter builds the root and moves this process into it. files are those of Sources, or none.
func (s Spec) Enter(files ...*os.File) error {
	r, err := Begin(s, files...)
	if err != nil {
		return err
	}
	for _, step := range Steps {
		if err := step.Do(r); err != nil {
			return err
		}
	}
	return nil
}
