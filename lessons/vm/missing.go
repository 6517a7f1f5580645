package vm

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Missing is a piece that is not installed, and the command that installs it on each system.
type Missing struct {
	Piece string
	// Install is the command by family: debian, fedora, arch, alpine, darwin.
	Install map[string]string
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is missing; to install it: %s", m.Piece, command(m.Install, family(osRelease())))
}

// The pieces that a VM is made of.
var (
	missingQEMU = &Missing{"QEMU (" + qemuBinary + ")", map[string]string{
		"debian": "sudo apt install " + map[string]string{"amd64": "qemu-system-x86", "arm64": "qemu-system-arm"}[runtime.GOARCH],
		"fedora": "sudo dnf install " + map[string]string{"amd64": "qemu-system-x86-core", "arm64": "qemu-system-aarch64-core"}[runtime.GOARCH],
		"arch":   "sudo pacman -S qemu-base",
		"alpine": "sudo apk add " + qemuBinary,
		"darwin": "brew install qemu",
	}}
	missingVirtiofsd = &Missing{"virtiofsd, which lends the guest our files", map[string]string{
		"debian": "sudo apt install virtiofsd (Debian 12, Ubuntu 22.04: qemu-system-common)",
		"fedora": "sudo dnf install virtiofsd",
		"arch":   "sudo pacman -S virtiofsd",
		"alpine": "sudo apk add virtiofsd",
	}}
	missingKernel = &Missing{"a Linux kernel to boot, with its modules", map[string]string{
		"debian": "sudo apt install linux-image-cloud-" + debianArch + " (Ubuntu: linux-image-virtual)",
		"fedora": "sudo dnf install kernel-core kernel-modules-core",
		"arch":   "sudo pacman -S linux",
		"alpine": "sudo apk add linux-virt",
	}}
	missingMkfs = &Missing{"mkfs.ext4", map[string]string{
		"debian": "sudo apt install e2fsprogs", "fedora": "sudo dnf install e2fsprogs",
		"arch": "sudo pacman -S e2fsprogs", "alpine": "sudo apk add e2fsprogs",
	}}
	missingUML = &Missing{"User-mode Linux (linux.uml)", map[string]string{"debian": "sudo apt install user-mode-linux"}}

	allMissing = []*Missing{missingQEMU, missingVirtiofsd, missingKernel, missingMkfs, missingUML}
)

// families in the order in which they are listed if this system is none of them.
var families = []struct{ key, name string }{
	{"debian", "Debian, Ubuntu"}, {"fedora", "Fedora"}, {"arch", "Arch"}, {"alpine", "Alpine"}, {"darwin", "macOS"},
}

// command picks the command for this system, or names them all, on one line.
func command(install map[string]string, family string) string {
	if c := install[family]; c != "" {
		return c
	}
	var all []string
	for _, f := range families {
		if c := install[f.key]; c != "" {
			all = append(all, f.name+": "+c)
		}
	}
	return strings.Join(all, " | ")
}

func osRelease() io.Reader {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return strings.NewReader("")
	}
	return strings.NewReader(string(text))
}

// family is the kind of distribution by os-release(5), "" if it is none that we know.
func family(osRelease io.Reader) string {
	var ids []string
	for s := bufio.NewScanner(osRelease); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids = append(ids, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	known := map[string]string{"debian": "debian", "ubuntu": "debian", "fedora": "fedora", "rhel": "fedora",
		"centos": "fedora", "arch": "arch", "alpine": "alpine"}
	for _, id := range ids {
		if f := known[id]; f != "" {
			return f
		}
	}
	return ""
}
