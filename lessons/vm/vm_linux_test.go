package vm

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
	"containerkit/lessons/vm/wire"
)

// configEnv makes the test binary the program that starts a VM: its value is the Config.
const configEnv = "CONTAINERKIT_TEST_VM"

// markEnv is inherited by all that a test starts, so that what is left of it can be found.
const markEnv = "CONTAINERKIT_TEST_MARK"

func TestMain(m *testing.M) {
	child.Init()
	if text := os.Getenv(configEnv); text != "" {
		c := Config{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		err := json.Unmarshal([]byte(text), &c)
		status := 1
		if err == nil {
			status, err = Run(&c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// A run of a VM in a process of its own, as a user starts it.
type vmRun struct {
	*exec.Cmd
	t        *testing.T
	mark     string
	out, err bytes.Buffer
	mounts   []string
	tmp      string // its temporary directory, empty at first
}

// prepare prepares a run of each engine's kind. Its temporary directory is empty, and must be so afterwards.
func prepare(t *testing.T, engine string, change func(c *Config), command ...string) *vmRun {
	t.Helper()
	c := Config{Engine: engine, Memory: 1024, CPUs: 2, Share: "ro", User: "root", Command: command}
	if change != nil {
		change(&c)
	}
	text, err := json.Marshal(struct { // without what is no data
		Engine, Kernel, Share, User string
		Memory, CPUs                int
		Keep, Command               []string
	}{c.Engine, c.Kernel, c.Share, c.User, c.Memory, c.CPUs, c.Keep, c.Command})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	r := &vmRun{Cmd: exec.CommandContext(ctx, "/proc/self/exe"), t: t, mark: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())}
	r.tmp = t.TempDir()
	r.Env = append(os.Environ(), configEnv+"="+string(text), markEnv+"="+r.mark, "TMPDIR="+r.tmp)
	r.Stdout, r.Stderr = &r.out, &r.err
	r.WaitDelay = 10 * time.Second
	r.mounts = mounts(t)
	return r
}

// mounts are those on the host where a room has its own.
func mounts(t *testing.T) (list []string) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if point := strings.Fields(line)[4]; point == roomTop || within(point, roomRoot) || within(point, roomShare) {
			list = append(list, line)
		}
	}
	return list
}

// status runs the VM to its end, and checks that nothing is left of it.
func (r *vmRun) status() int {
	r.t.Helper()
	_ = r.Run()
	require.NotNil(r.t, r.ProcessState, "it did not start")
	r.nothingLeft()
	return r.ProcessState.ExitCode()
}

// nothingLeft: no process, no file, no mount. The kernel may take a moment to end what was killed.
func (r *vmRun) nothingLeft() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return len(r.processes()) == 0 }, 5*time.Second, 20*time.Millisecond, "processes are left: %v", r.processes())
	left, err := os.ReadDir(r.tmp)
	require.NoError(r.t, err)
	require.Empty(r.t, left)
	require.Equal(r.t, r.mounts, mounts(r.t))
}

// processes are those that have our mark in their environment.
func (r *vmRun) processes() (list []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(markEnv+"="+r.mark)) {
			name, _ := os.ReadFile(filepath.Dir(f) + "/comm")
			list = append(list, filepath.Base(filepath.Dir(f))+" "+strings.TrimSpace(string(name)))
		}
	}
	return list
}

// eachEngine runs a test on every engine that can run here, and skips it on the others.
func eachEngine(t *testing.T, f func(t *testing.T, engine string)) {
	for _, e := range engines {
		t.Run(e.Name(), func(t *testing.T) {
			if _, err := choose(&Config{Engine: e.Name(), Memory: 1024}); err != nil {
				t.Skip(err)
			}
			f(t, e.Name())
		})
	}
}

func TestACommandsOutputAndStatusComeOut(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		r := prepare(t, engine, nil, "sh", "-c", "cat; echo bad >&2; sleep 1000 & exit 7")
		r.Stdin = strings.NewReader("good\n")
		require.Equal(t, 7, r.status(), &r.err)
		require.Equal(t, "good\n", r.out.String())
		require.Equal(t, "bad\n", withoutLacks(r.err.String()))

		r = prepare(t, engine, nil, "sh", "-c", "kill -TERM $$")
		require.Equal(t, 128+15, r.status(), &r.err)

		r = prepare(t, engine, nil, "no-such-command")
		require.Equal(t, 127, r.status())
		require.Contains(t, r.err.String(), "no-such-command")
	})
}

// withoutLacks leaves out what an engine says before it starts.
func withoutLacks(text string) (rest string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "engine ") {
			rest += line
		}
	}
	return rest
}

// TestTheGuestIsAsPromised asks the guest itself.
func TestTheGuestIsAsPromised(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		r := prepare(t, engine, nil, "sh", "-c", `
			echo "root $(id -u) $(cat /proc/self/cgroup)"
			stat -f -c 'cgroup %T' /sys/fs/cgroup
			grep -c cgroup /proc/mounts
			echo "options $(grep -o nsdelegate /proc/mounts)"
			cmp /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control && echo enabled
			learner sh -c 'echo "learner $(id -un) $(id -gn) $HOME $(cat /proc/self/cgroup)"; mkdir /sys/fs/cgroup/learner/mine && echo may make groups; touch /nothing'
			cat /sys/class/net/lo/operstate
			hostname
			ls /tmp /run
			mkdir /tmp/n && unshare -m sh -c 'mount -t tmpfs t /tmp/n && mkdir /tmp/n/old && cd /tmp/n && pivot_root . old && echo may pivot'
			go version
			pwd`)
		require.Zero(t, r.status(), &r.err)
		out := r.out.String()
		for _, want := range []string{
			"root 0 0::/\n", "cgroup cgroup2fs\n1\n", "options nsdelegate\n", "enabled\n",
			"learner learner learner /home/learner 0::/learner/session\n", "may make groups\n",
			"containerkit-vm\n", "may pivot\n", "go version go",
		} {
			require.Contains(t, out, want)
		}
		cwd, err := os.Getwd()
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(out, cwd+"\n"), out)
		require.Contains(t, r.err.String(), "/nothing", "the learner must not write everywhere")
	})
}

// TestTheHostIsOutOfReach does what a command should not do, as root of the guest.
func TestTheHostIsOutOfReach(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(dir+"/victim", []byte("as it was"), 0o666))
		require.NoError(t, os.Chmod(dir, 0o777))
		hostname, err := os.Hostname()
		require.NoError(t, err)
		r := prepare(t, engine, func(c *Config) { c.Keep = []string{dir} }, "sh", "-c", `cd "$1"
			cat victim; echo changed > victim; echo new > new; cat victim; rm victim; ls
			hostname mine
			# The host's tree once more, without the overlay, and writable as far as this kernel is concerned.
			mount -t virtiofs root /mnt 2>/dev/null || mount -t hostfs -o /root none /mnt || echo not mounted
			mount -o remount,rw /mnt
			test -e "/mnt$1/victim" && echo seen
			touch "/mnt$1/new" && echo written
			rm -f "/mnt$1/victim" && echo deleted
			chmod 0 "/mnt$1" && echo locked
			ls /mnt/proc /mnt/sys /mnt/dev
			reboot -f || echo b > /proc/sysrq-trigger
			sleep 60`, "sh", dir)
		require.Equal(t, 1, r.status(), &r.out)
		require.Contains(t, r.err.String(), "the VM", "it says that the VM has ended")
		require.Equal(t, "as it waschanged\nnew\nseen\n/mnt/dev:\n\n/mnt/proc:\n\n/mnt/sys:\n", r.out.String(), &r.err)
		victim, err := os.ReadFile(dir + "/victim")
		require.NoError(t, err)
		require.Equal(t, "as it was", string(victim))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		now, err := os.Hostname()
		require.NoError(t, err)
		require.Equal(t, hostname, now)
	})
}

// More files than may be open on the host can be walked through, and others read afterwards.
func TestMoreFilesThanMayBeOpen(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		// virtiofsd has a descriptor for every file that was looked at, and many come at once; UML for what was opened, which is
		// directories here.
		few, files := map[string]int{"qemu": 3000, "uml": 1000}[engine], 12000
		// Some were changed before, so that they are in the overlay's upper layer.
		script := `
			changed="/etc/passwd $(find /usr/share -xdev -type f -size -8k -name '[a-z]*' | grep -v '[^a-zA-Z0-9/._-]' | head -n 300)"
			for f in $changed; do echo >>"$f"; done
			find /usr -xdev -type f -size +0 2>/dev/null | head -n "$1" | wc -l
			ls /usr/bin >/dev/null && cat $changed >/dev/null`
		r := prepare(t, engine, nil, "sh", "-c", script, "sh", fmt.Sprint(files))
		prlimit, err := exec.LookPath("prlimit")
		require.NoError(t, err)
		self, err := os.Executable()
		require.NoError(t, err)
		r.Path, r.Args = prlimit, []string{prlimit, fmt.Sprintf("--nofile=%d:%d", few, few), self}
		require.Zero(t, r.status(), &r.err)
		require.Equal(t, fmt.Sprintln(files), r.out.String())
	})
}

// TestOneProgramIsNotRunInPlaceOfAnother runs programs that differ in a number only, so that the code of each is where that
// of the one before was: at the same address, and often in the same page of memory, for the guest forgets the files in
// between.
func TestOneProgramIsNotRunInPlaceOfAnother(t *testing.T) {
	const programs = 25
	dir := t.TempDir()
	for n := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), exitProgram(t, byte(n)), 0o755))
	}
	eachEngine(t, func(t *testing.T, engine string) {
		r := prepare(t, engine, func(c *Config) { c.Keep = []string{dir} }, "sh", "-c", `
			n=0
			while [ $n -lt "$2" ]; do
				"$1/$n"; [ $? = $n ] || echo "program $n was another"
				echo 3 > /proc/sys/vm/drop_caches
				n=$((n+1))
			done
			echo "ran $n"`, "sh", dir, strconv.Itoa(programs))
		require.Zero(t, r.status(), &r.err)
		require.Equal(t, fmt.Sprintf("ran %d\n", programs), r.out.String())
	})
}

// exitProgram is a program whose one deed is to exit with a status: elf(5).
func exitProgram(t *testing.T, status byte) []byte {
	const base, headers = 0x400000, 64 + 56
	machine, code := elf.EM_X86_64, []byte{
		0xbf, status, 0, 0, 0, // mov edi, status
		0xb8, unix.SYS_EXIT, 0, 0, 0, // mov eax, exit
		0x0f, 0x05, // syscall
	}
	if runtime.GOARCH == "arm64" {
		machine, code = elf.EM_AARCH64, nil
		code = binary.LittleEndian.AppendUint32(code, 0x52800000|uint32(status)<<5)        // mov w0, status
		code = binary.LittleEndian.AppendUint32(code, 0x52800008|uint32(unix.SYS_EXIT)<<5) // mov w8, exit
		code = binary.LittleEndian.AppendUint32(code, 0xd4000001)                          // svc 0
	}
	size := uint64(headers + len(code))
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
			Entry: base + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Filesz: size, Memsz: size, Align: 4096},
		code,
	} {
		require.NoError(t, binary.Write(&b, binary.LittleEndian, part))
	}
	return b.Bytes()
}

// TestTheCheckoutIsSharedIfAsked writes to it from the guest.
func TestTheCheckoutIsSharedIfAsked(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		file := fmt.Sprintf("containerkit-test-%d", os.Getpid())
		t.Cleanup(func() { _ = os.Remove(file) })
		for _, share := range []string{"ro", "rw"} {
			r := prepare(t, engine, func(c *Config) { c.Share = share }, "sh", "-c", `echo from the guest > "$1" && cat "$1"`, "sh", file)
			require.Zero(t, r.status(), &r.err)
			require.Equal(t, "from the guest\n", r.out.String())
			text, err := os.ReadFile(file)
			if share == "ro" {
				require.ErrorIs(t, err, os.ErrNotExist)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "from the guest\n", string(text))
		}
	})
}

// TestSignalsReachTheCommand: one that handles it decides what happens.
func TestSignalsReachTheCommand(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		r := prepare(t, engine, nil, "sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done")
		r.Stdout = nil
		out, err := r.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, r.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan(), &r.err)
		require.Equal(t, "ready", lines.Text())
		require.NoError(t, r.Process.Signal(syscall.SIGINT))
		require.True(t, lines.Scan(), &r.err)
		require.Equal(t, "caught", lines.Text())
		_ = r.Wait()
		require.Equal(t, 3, r.ProcessState.ExitCode(), &r.err)
		r.nothingLeft()
	})
}

// TestKilledHalfWay kills VMs at different moments, and asks each time what is left.
func TestKilledHalfWay(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			after time.Duration
			by    syscall.Signal
		}{
			{50 * time.Millisecond, syscall.SIGKILL}, // /init is being built
			{400 * time.Millisecond, syscall.SIGKILL},
			{400 * time.Millisecond, syscall.SIGTERM},
			{1500 * time.Millisecond, syscall.SIGKILL}, // the kernel starts
			{1500 * time.Millisecond, syscall.SIGHUP},
			{6 * time.Second, syscall.SIGKILL}, // the command runs
		} {
			r := prepare(t, engine, nil, "sleep", "1000")
			require.NoError(t, r.Start())
			time.Sleep(c.after)
			require.NoError(t, r.Process.Signal(c.by))
			_ = r.Wait()
			r.nothingLeft()
		}
	})
}

// startsEnv is how many times TestStartsAndStops starts each engine: too many for every run of the tests.
const startsEnv = "CONTAINERKIT_VM_STARTS"

// TestStartsAndStops starts VMs one after another. Every fourth is killed on its way, at a moment that nobody has chosen,
// by the only signal that nobody can answer. Each time no process, socket, mount or file may be left.
func TestStartsAndStops(t *testing.T) {
	starts, err := strconv.Atoi(os.Getenv(startsEnv))
	if err != nil {
		t.Skip("takes long; to run it: " + startsEnv + "=20")
	}
	eachEngine(t, func(t *testing.T, engine string) {
		var whole time.Duration // that a run takes, and so the time in which there is something to kill
		for i := range starts {
			r := prepare(t, engine, nil, "echo", "here")
			began := time.Now()
			require.NoError(t, r.Start())
			stop := r.watchSockets()
			killed := i%4 == 3
			if killed {
				after := rand.N(whole)
				time.Sleep(after)
				require.NoError(t, r.Process.Kill())
				t.Logf("killed after %v of about %v", after.Round(time.Millisecond), whole.Round(time.Millisecond))
			}
			_ = r.Wait()
			sockets := stop()
			r.nothingLeft()
			left := func() []string {
				return slices.DeleteFunc(unixSockets(t), func(inode string) bool { return !slices.Contains(sockets, inode) })
			}
			// A process that ends has no environment any more by which we find it, and closes its files after that.
			require.Eventually(t, func() bool { return len(left()) == 0 }, 5*time.Second, 20*time.Millisecond, "sockets are left")
			if !killed {
				require.Equal(t, "here\n", r.out.String(), &r.err)
				require.NotEmpty(t, sockets, "the control: it has sockets while it runs")
				whole = time.Since(began)
			}
		}
	})
}

// watchSockets collects the sockets of our processes, by inode, until it is told to stop.
func (r *vmRun) watchSockets() (stop func() []string) {
	quit, seen := make(chan bool), make(chan map[string]bool)
	go func() {
		inodes := map[string]bool{}
		for {
			select {
			case <-quit:
				seen <- inodes
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, p := range r.processes() {
				pid, _, _ := strings.Cut(p, " ")
				files, _ := filepath.Glob("/proc/" + pid + "/fd/*")
				for _, f := range files {
					if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, "socket:[") {
						inodes[strings.Trim(to, "socket:[]")] = true
					}
				}
			}
		}
	}()
	return func() []string {
		quit <- true
		return slices.Collect(maps.Keys(<-seen))
	}
}

// unixSockets are the inodes of all that the kernel has in our network namespace: proc_net(5).
func unixSockets(t *testing.T) (inodes []string) {
	text, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 6 {
			inodes = append(inodes, f[6])
		}
	}
	return inodes
}

// Nobody but us gets into the queue of virtiofsd, which hands out the host's files.
func TestVirtiofsdServesNobodyElse(t *testing.T) {
	listener, connected, err := waitingSocket()
	require.NoError(t, err)
	defer listener.Close()
	defer connected.Close()
	name, err := unix.Getsockname(int(listener.Fd()))
	require.NoError(t, err)
	stranger, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(stranger)
	require.ErrorIs(t, unix.Connect(stranger, name), unix.EAGAIN)
}

// A machine that has ended may have said more than we have read: a slow reader of our output gets all of it, and the status.
func TestWhatTheGuestSaidLastIsNotLost(t *testing.T) {
	for range 20 {
		ours, theirs := net.Pipe()
		go func() {
			w := wire.NewWriter(theirs)
			for range 3 {
				_ = w.Write(wire.KindOut, []byte("said\n"))
			}
			_ = w.WriteJSON(wire.KindExit, wire.Exit{Status: 7})
			_ = theirs.Close()
		}()
		out, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		m := &Machine{Conn: ours, Console: strings.NewReader(""), Kill: func() {}, Wait: func() error { return nil }}
		late := &talk{c: &Config{Stdout: out, Stderr: os.Stderr}, m: m, s: new(wire.Start), phase: func(string) {}, patience: time.Minute}
		status, err := late.run(nil)
		require.NoError(t, err)
		require.Equal(t, 7, status)
		said, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		require.Equal(t, "said\nsaid\nsaid\n", string(said))
		require.NoError(t, out.Close())
	}
}

// A guest that hangs before its command runs is given up, and its kernel's last words are told.
func TestAGuestThatHangsIsGivenUp(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	killed := make(chan struct{})
	m := &Machine{Conn: ours, Console: strings.NewReader("no more\n"), Kill: func() { close(killed) },
		Wait: func() error { <-killed; return nil }}
	hung := &talk{c: &Config{Stderr: os.Stderr}, m: m, s: new(wire.Start), phase: func(string) {}, patience: 10 * time.Millisecond}
	_, err := hung.run(nil)
	require.ErrorContains(t, err, "the VM has died: the command does not run after 10ms; its console said last:\n  no more")
	<-killed
}

// A checkout that was reached through a link has its own path in the VM, where the link may not be.
func TestCheckoutBehindLink(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	t.Chdir(filepath.Join(link, "lessons"))
	g, err := goEnv()
	require.NoError(t, err)
	s, err := describe(&Config{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, g, engines[0])
	require.NoError(t, err)
	require.Equal(t, realPath(root), s.Checkout)
	require.Equal(t, filepath.Join(realPath(root), "lessons"), s.Dir)
	for _, dir := range s.Open {
		require.Equal(t, realPath(dir), dir)
	}
}
