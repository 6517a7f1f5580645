package vm

import (
	"bufio"
	"fmt"
	"io"
	"os"
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
