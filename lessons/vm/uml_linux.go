package vm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/course"
	"containerkit/lessons/vm/wire"
)

// uml runs User-mode Linux, a kernel that is a program: the quick engine. Its processor is the host's, held by
// ptrace(2); its memory is a file; it reaches the host's files by the calls of any program, through hostfs
// (Documentation/virt/uml/user_mode_linux_howto_v2.rst). With no hardware to look for it has hardly any boot.
type uml struct{}

func (uml) Name() string { return "uml" }

// umlModules is where Debian puts its modules, a directory for each version.
const umlModules = "/usr/lib/uml/modules"

// findUML takes the program at path, or looks for the one that is installed, and finds its modules.
func findUML(path string) (kernel, error) {
	image, err := exec.LookPath(path)
	if path == "" {
		if image, err = exec.LookPath("linux.uml"); err != nil {
			return kernel{}, missingUML
		}
	}
	if err == nil {
		image, err = filepath.Abs(image)
	}
	if err != nil {
		return kernel{}, err
	}
	version, err := exec.Command(image, "--version").Output()
	if err != nil {
		return kernel{}, fmt.Errorf("%s --version: %w; is it User-mode Linux?", image, err)
	}
	k := kernel{Image: image, Version: strings.TrimSpace(string(version))}
	k.Modules = filepath.Join(umlModules, k.Version)
	if _, err := os.Stat(k.Modules + "/modules.dep"); errors.Is(err, fs.ErrNotExist) {
		return kernel{}, fmt.Errorf("%s calls itself %q, and %s has no modules of that version; is it User-mode Linux, as Debian packages it?", image, k.Version, umlModules)
	} else if err != nil {
		return kernel{}, err
	}
	return k, nil
}

func (uml) Available(c *Config) error {
	if _, err := findUML(c.Kernel); err != nil {
		return err
	}
	// The guest's memory is a file in a tmpfs, and that holds half of the host's memory (tmpfs(5), "size"). A guest
	// that gets more dies by SIGBUS when it touches the rest.
	var host unix.Sysinfo_t
	if err := unix.Sysinfo(&host); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	if most := host.Totalram * uint64(host.Unit) / 2 >> 20; uint64(c.Memory) > most {
		return fmt.Errorf("-memory %d is too much for User-mode Linux: it gets at most half of this machine's memory, %d MiB", c.Memory, most)
	}
	return nil
}

// umlOptions are features that a kernel has if it was built with an option.
var umlOptions = []struct {
	option  string
	words   string
	feature course.Feature // as steps ask for it; "" if none does
}{
	{"CONFIG_TIME_NS", "time namespace", course.TimeNS},
	{"CONFIG_CPUSETS", "cpuset controller", course.Cpuset},
	{"CONFIG_SMP", "second CPU", course.CPUs2},
	{"CONFIG_PSI", "pressure files", course.PSI},
	{"CONFIG_NF_TABLES_IPV4", "nftables for IPv4", course.Nftables},
	{"CONFIG_CGROUP_HUGETLB", "hugetlb controller", ""},
}

// Lacks asks the kernel, which prints the configuration it was built with.
func (uml) Lacks() []string {
	image, err := exec.LookPath("linux.uml")
	if err != nil {
		return nil // Available says it
	}
	config, err := exec.Command(image, "--showconfig").Output()
	if err != nil {
		return []string{fmt.Sprintf("what it should tell itself (%s --showconfig: %v)", image, err)}
	}
	return umlLacks(config)
}

// umlLacks lists what a configuration leaves out, with the steps of the course that need it.
func umlLacks(config []byte) (list []string) {
	built := map[string]bool{}
	for s := bufio.NewScanner(bytes.NewReader(config)); s.Scan(); {
		option, value, _ := strings.Cut(s.Text(), "=")
		built[option] = value == "y" || value == "m"
	}
	for _, o := range umlOptions {
		if built[o.option] {
			continue
		}
		text := o.words
		if steps := stepsThatNeed(o.feature); len(steps) > 0 {
			text += " (" + strings.Join(steps, ", ") + ")"
		}
		list = append(list, text)
	}
	return list
}

// stepsThatNeed names a feature's steps: 02-namespaces time.
func stepsThatNeed(f course.Feature) (steps []string) {
	for _, stage := range course.Stages {
		for _, step := range stage.Steps {
			if slices.Contains(step.Needs, f) {
				steps = append(steps, stage.Dir+" "+step.Name)
			}
		}
	}
	return steps
}

// umlPiece fits into the buffer of a terminal's input, with room for the few small frames that nobody waits for. When
// that buffer of 4096 bytes is full, the serial line stops to take interrupts, and never takes one again
// (line_throttle and line_unthrottle in the kernel's arch/um/drivers/line.c).
const umlPiece = 2048

func (uml) Start(c *Config, init []byte, s *wire.Start) (*Machine, error) {
	k, err := findUML(c.Kernel)
	if err != nil {
		return nil, err
	}
	// All drivers of its own devices, and hostfs, are built in.
	files, err := k.load([]string{"overlay"})
	if err != nil {
		return nil, err
	}
	initrd, err := Initramfs(append(files, File{Path: "init", Mode: 0o755, Data: init}, File{Path: "dev"}))
	if err != nil {
		return nil, err
	}
	ram, err := inMemory("initrd", initrd)
	if err != nil {
		return nil, err
	}
	defer ram.Close()
	console, consoleIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer consoleIn.Close()
	conn, theirs, err := streamPair()
	if err != nil {
		console.Close()
		return nil, err
	}
	defer theirs.Close()

	passed := []*os.File{theirs, ram}
	args := []string{roomRoot + k.Image, fmt.Sprintf("mem=%dM", c.Memory),
		// Serial line 0 is the stream. What the kernel says goes to console 0. The other ones must be nothing: by
		// default, each would open a terminal's window on the host.
		"ssl0=fd:3", "initrd=/proc/self/fd/4", "con0=null,fd:1", "ssl=null", "con=null",
		"hostfs=" + roomTop, // no mount in the guest leads out of it
		"uml_dir=" + roomTop + "/uml", "umid=containerkit",
		"noreboot", // a reboot is the end of it
		// To find the fastest parity for disk arrays, which are not there, takes half of the whole boot.
		"initcall_blacklist=raid6_select_algo",
		"containerkit.conn=/dev/ttyS0", "cgroup_no_v1=all", "panic=-1", "selinux=0", "quiet"}
	within := func(dir string) string { return strings.TrimPrefix(dir, roomTop) }
	s.Root = wire.Mount{Type: "hostfs", Source: "root", Options: within(roomRoot)}
	s.Modules = k.Modules
	writable := ""
	if c.Share == "rw" {
		writable = s.Checkout
		s.Shares = []wire.Share{{Mount: wire.Mount{Type: "hostfs", Source: "share", Options: within(roomShare)}, Path: writable}}
	}
	if disk, err := newDisk(); err != nil {
		fmt.Fprintf(c.Stderr, "no disk in the VM, which the io step wants: %v\n", err)
	} else {
		defer disk.Close()
		passed = append(passed, disk)
		args = append(args, "ubd0=/proc/self/fd/5")
		s.Disk = "/dev/ubda"
	}
	room, err := openRoom([]process{{
		Name: "User-mode Linux", Argv: args, Files: passed, Out: consoleIn, Main: true,
		Keeps: umlKeeps(c.Share),
		Env:   []string{"TMPDIR=" + roomTop}, // for the guest's memory, in a file without a name
	}}, writable)
	if err != nil {
		console.Close()
		conn.Close()
		return nil, err
	}
	return &Machine{How: "User-mode Linux " + k.Version, Conn: conn, Piece: umlPiece, Console: console, Wait: room.Wait, Kill: room.Kill}, nil
}

// umlKeeps are the capabilities that root of the guest needs of root here: to read whatever is
// there and to find out what may be run; and in a shared checkout, to write, with the owners that
// the guest asks for.
func umlKeeps(share string) []capability.Cap {
	keeps := []capability.Cap{capability.CAP_DAC_OVERRIDE}
	if share == "rw" {
		keeps = append(keeps, capability.CAP_CHOWN, capability.CAP_FOWNER, capability.CAP_FSETID)
	}
	return keeps
}
