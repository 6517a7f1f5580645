package doctor

import (
	"bufio"
	"os"
	"strings"

	"containerkit/lessons/kit/course"
)

// family is the kind of distribution: debian, fedora, arch, or nothing if it is none of these (os-release(5)).
func family() string {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return ""
	}
	defer f.Close()
	var ids string
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids += " " + strings.Trim(value, `"'`)
		}
	}
	for _, id := range strings.Fields(ids) {
		switch id {
		case "debian", "ubuntu":
			return "debian"
		case "fedora", "rhel", "centos":
			return "fedora"
		case "arch":
			return "arch"
		}
	}
	return ""
}

// here picks the commands for this distribution, or names them all.
func here(debian, fedora, arch string) string {
	switch family() {
	case "debian":
		return debian
	case "fedora":
		return fedora
	case "arch":
		return arch
	}
	return "On Debian and Ubuntu:\n" + debian + "\nOn Fedora:\n" + fedora + "\nOn Arch:\n" + arch
}

// bootWith is how a word gets onto the kernel's command line, for good.
func bootWith(word string) string {
	edit := `$ sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&` + word + ` /' /etc/default/grub`
	return here(
		edit+"\n$ sudo update-grub && sudo reboot",
		"$ sudo grubby --update-kernel=ALL --args="+word+" && sudo reboot",
		edit+"\n$ sudo grub-mkconfig -o /boot/grub/grub.cfg && sudo reboot",
	)
}

// modules are what a feature needs of the kernel if it is not built in.
var modules = map[course.Feature]string{
	course.Overlay:  "overlay",
	course.Bridge:   "veth bridge",
	course.Nftables: "nf_tables nft_chain_nat nft_masq",
}

// load is how modules get into the kernel; not every distribution installs all with it.
func load(names string) string {
	try := "$ sudo modprobe -a " + names
	return here(
		try+"\nIf there is no such module (Ubuntu's small kernels):\n$ sudo apt install linux-modules-extra-$(uname -r)",
		try+"\nIf there is no such module:\n$ sudo dnf install kernel-modules-extra-$(uname -r)",
		try+"\nIf there is no such module, the kernel was upgraded since the last boot, and its modules with it: reboot.",
	)
}
