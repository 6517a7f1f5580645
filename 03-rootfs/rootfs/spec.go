//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// A Spec says which files a container has. It is plain data, and can travel as JSON.
type Spec struct {
	Dir      string   `json:"dir,omitempty"`    // the root's lower layer; "" is the root on board
	Layers   []string `json:"layers,omitempty"` // more layers over Dir, the last one on top, as an image lists them
	ReadOnly bool     `json:"readonly,omitempty"`
	Volumes  []Volume `json:"volumes,omitempty"`
	Hostname string   `json:"hostname,omitempty"` // for /etc/hostname and /etc/hosts
	Hosts    string   `json:"hosts,omitempty"`    // all of /etc/hosts; "" is localhost and the hostname
	Resolv   string   `json:"resolv,omitempty"`   // all of /etc/resolv.conf; "" is no name server
	Size     int64    `json:"size,omitempty"`     // bytes that may be written; 0 is the kernel's default, half of the memory
	Cloned   bool     `json:"cloned,omitempty"`   // the files that go with it are detached mounts: see Sources.Clone
}

// A Volume is a file or directory of the host that the container borrows.
type Volume struct {
	Source   string `json:"source"`
	Target   string `json:"target"` // where it appears inside; made if it is missing
	ReadOnly bool   `json:"readonly,omitempty"`
}

// ParseVolume reads SOURCE:TARGET[:ro|:rw], as docker's -v does.
func ParseVolume(s string) (Volume, error) {
	part := strings.Split(s, ":")
	v := Volume{}
	switch {
	case len(part) == 3 && (part[2] == "ro" || part[2] == "rw"):
		v.ReadOnly = part[2] == "ro"
	case len(part) == 3:
		return v, fmt.Errorf("volume %q: the last part is ro or rw, not %q", s, part[2])
	case len(part) != 2:
		return v, fmt.Errorf("volume %q: want SOURCE:TARGET or SOURCE:TARGET:ro", s)
	}
	if part[0] == "" {
		return v, fmt.Errorf("volume %q: the source is empty", s)
	}
	if err := checkTarget(part[1]); err != nil {
		return v, fmt.Errorf("volume %q: %w", s, err)
	}
	source, err := filepath.Abs(part[0])
	if err != nil {
		return v, fmt.Errorf("volume %q: %w", s, err)
	}
	v.Source, v.Target = source, filepath.Clean(part[1])
	return v, nil
}

// checkTarget returns an error for a place where no volume can be. AttachIn finds those that an image
// names otherwise.
func checkTarget(target string) error {
	switch clean := filepath.Clean(target); {
	case !filepath.IsAbs(target) || clean == "/":
		return errors.New("the target must be an absolute path below /")
	case clean == "/proc" || strings.HasPrefix(clean, "/proc/"):
		return errInProc
	case clean == "/dev":
		return errors.New("the container needs the devices in its own /dev: mount it below, as on /dev/NAME")
	}
	return nil
}

// errInProc says why no volume is in /proc, as runc does: programs set security attributes of theirs
// by files there, and another directory would make them believe that it worked.
var errInProc = errors.New("the container needs its own /proc, and nothing can be mounted on it or below it")

// Check returns an error for what cannot work, whatever the host has. What must be on the host, Open checks.
func (s Spec) Check() error {
	for _, v := range s.Volumes {
		if err := checkTarget(v.Target); err != nil {
			return fmt.Errorf("volume %s:%s: %w", v.Source, v.Target, err)
		}
	}
	return nil
}

// lower lists the directories that make the root, the lowest first; none for the root on board.
func (s Spec) lower() []string {
	if s.Dir == "" {
		return s.Layers
	}
	return append([]string{s.Dir}, s.Layers...)
}

// OnBoard reports whether the root is made of the host's own files.
func (s Spec) OnBoard() bool { return len(s.lower()) == 0 }
