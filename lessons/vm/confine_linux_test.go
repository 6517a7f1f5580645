package vm

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/capability"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
)

// maskOf is a set of capabilities as /proc/PID/status shows it.
func maskOf(caps ...capability.Cap) (mask uint64) {
	for _, c := range caps {
		mask |= 1 << c
	}
	return mask
}

// A status is what /proc/PID/status says of a process (proc_pid_status(5)).
type status map[string]string

func statusOfProcess(t *testing.T, pid string) status {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	require.NoError(t, err)
	s := status{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		s[key] = strings.TrimSpace(value)
	}
	return s
}

// caps is one of the sets of capabilities.
func (s status) caps(t *testing.T, set string) (mask uint64) {
	_, err := fmt.Sscanf(s[set], "%x", &mask)
	require.NoError(t, err, set)
	return mask
}

// most is what a process of an engine has at most.
type most struct {
	has, bounding uint64 // capabilities
	count         int    // how many such processes there are, at least
}

// check looks at a process from outside.
func (m most) check(t *testing.T, pid, name string) {
	s := statusOfProcess(t, pid)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		require.Zero(t, s.caps(t, set)&^m.has, "%s: %s %s", name, set, s[set])
	}
	require.Zero(t, s.caps(t, "CapBnd")&^m.bounding, "%s: CapBnd %s", name, s["CapBnd"])
	require.Equal(t, "1", s["NoNewPrivs"], "%s: NoNewPrivs", name)
	require.Equal(t, "2", s["Seccomp"], "%s: Seccomp, 2 is a filter", name)
	if name != "qemu-system" {
		return
	}
	require.Equal(t, "2", s["Seccomp_filters"], "QEMU has a filter of its own as well")
	if mapped(engineUser) && !groupsDenied() {
		want := strings.Repeat(fmt.Sprintf("%d\t", engineUser), 4) // real, effective, saved, file system
		require.Equal(t, want, s["Uid"]+"\t")
		require.Equal(t, want, s["Gid"]+"\t")
		require.NotContains(t, strings.Fields(s["Groups"]), "0")
	}
}

// TestTheEnginesProcessesCanDoLittle looks at each of them from outside while a guest runs: what it
// cannot do, no guest can make it do, whatever becomes of the guest's kernel.
func TestTheEnginesProcessesCanDoLittle(t *testing.T) {
	chroot, file := maskOf(capability.CAP_SYS_CHROOT), maskOf(capability.CAP_DAC_OVERRIDE)
	read := maskOf(capability.CAP_DAC_READ_SEARCH, capability.CAP_FOWNER)
	own := file | maskOf(capability.CAP_CHOWN, capability.CAP_FOWNER, capability.CAP_FSETID)
	write := own | maskOf(capability.CAP_SETUID, capability.CAP_SETGID)
	// User-mode Linux is two processes at least: the kernel's, and one for the guest's programs.
	both := read | write // one virtiofsd reads, the other writes
	for share, all := range map[string]map[string]most{
		"ro": {
			"qemu-system": {0, 0, 1},
			"virtiofsd":   {read, read | chroot, 1},
			"linux.uml":   {file, file, 2},
		},
		"rw": {
			"qemu-system": {0, 0, 1},
			"virtiofsd":   {both, both | chroot, 2},
			"linux.uml":   {own, own, 2},
		},
	} {
		t.Run(share, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, engine string) {
				r, end := running(t, engine, func(c *Config) { c.Share = share })
				seen := map[string]int{}
				for _, line := range r.processes() {
					pid, comm, _ := strings.Cut(line, " ")
					for name, m := range all {
						if strings.HasPrefix(comm, name) {
							seen[name]++
							m.check(t, pid, name)
							requireReadOnly(t, pid, share == "rw")
						}
					}
				}
				names := map[string][]string{"qemu": {"qemu-system", "virtiofsd"}, "uml": {"linux.uml"}}
				for _, name := range names[engine] {
					require.GreaterOrEqual(t, seen[name], all[name].count, "%v", r.processes())
				}
				end()
			})
		})
	}
}

// requireReadOnly looks at the mounts of a process: proc_pid_mountinfo(5), the fourth field is the
// mount's root in its file system, the fifth the mount point, the sixth its options. One virtiofsd
// has the shared directory as its root.
func requireReadOnly(t *testing.T, pid string, shared bool) {
	table, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	require.NoError(t, err)
	cwd, err := os.Getwd()
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		from, point, options := fields[3], fields[4], strings.Split(fields[5], ",")
		device := slices.Contains(roomDevices, point)
		root := point == "/" && from != "/" && strings.HasPrefix(cwd, from)
		checkout := shared && (point == roomShare || root)
		if device || checkout || point == roomTop {
			continue
		}
		require.Contains(t, options, "ro", "writable: %s", line)
		require.Contains(t, options, "nodev", "has devices: %s", line)
	}
}

// running starts a VM whose command waits. The function that it returns lets the command end, and
// checks that nothing is left of the VM.
func running(t *testing.T, engine string, change func(c *Config)) (r *vmRun, end func()) {
	r = prepare(t, engine, change, "sh", "-c", "echo ready; cat")
	// Root has supplementary groups too, if it has logged in.
	if namespace.Capable(unix.CAP_SETGID) && !groupsDenied() {
		c := &syscall.Credential{Groups: []uint32{0, 5}}
		r.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	in, err := r.StdinPipe()
	require.NoError(t, err)
	r.Stdout = nil
	out, err := r.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	_, err = out.Read(make([]byte, 16))
	require.NoError(t, err, &r.err)
	return r, func() {
		require.NoError(t, in.Close())
		require.NoError(t, r.Wait())
		r.nothingLeft()
	}
}

// TestARoomHasNoWayOut starts a shell in place of an engine, and lets it try what an engine does
// not do. The control is the same shell, which has what an engine needs.
func TestARoomHasNoWayOut(t *testing.T) {
	out := inRoom(t, process{Alien: true, Argv: []string{"sh", "-c", `
		exec 2>&1
		echo control > /dev/null && head -c 1 /dev/urandom | wc -c
		( exec 3<>/dev/kvm ) && echo opens kvm
		id -u
		unshare -U true
		unshare -m true
		mount -t tmpfs t /mnt
		umount -l /run
		ls /run /dev
		ls -d /proc/[0-9]* | wc -l
		echo > /etc/containerkit-test && echo written
		true`}})
	want := "1\n"
	if unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil {
		want += "opens kvm\n"
	}
	require.Contains(t, out, want)
	if namespace.Capable(unix.CAP_SETUID) && mapped(engineUser) && !groupsDenied() {
		require.Contains(t, out, fmt.Sprintf("\n%d\n", engineUser))
	}
	require.Equal(t, 2, strings.Count(out, "unshare failed: Operation not permitted"), out)
	require.Regexp(t, "mount: .*(permission denied|must be superuser)", out)
	require.Regexp(t, "umount: .*(permission denied|must be superuser)", out)
	require.NotContains(t, out, "written")
	_, lists, _ := strings.Cut(out, "/dev:\n")
	lists, _, _ = strings.Cut(lists, "\n\n")
	for _, device := range strings.Fields(lists) {
		require.Contains(t, roomDevices, "/dev/"+device)
	}
	require.Regexp(t, `(?m)^/run:\n\d+$`, out, "its /run is not empty")
	if namespace.Capable(unix.CAP_SYS_ADMIN) {
		const ours = "its /proc has other processes than PID 1, sh, ls and wc"
		require.Regexp(t, `(?m)^/run:\n[234]$`, out, ours)
	}
}

// userEnv makes the test binary one test, as another user.
const userEnv = "CONTAINERKIT_TEST_AS_USER"

// asUser runs the calling test once more in a process of an ordinary user who is in a group, if we
// are root. It returns false where the test is to be run.
func asUser(t *testing.T) (done bool) {
	if os.Getenv(userEnv) != "" || !namespace.Capable(unix.CAP_SETUID) {
		return false
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = []string{userEnv + "=1", "PATH=" + os.Getenv("PATH"), "HOME=/"}
	user := &syscall.Credential{Uid: 65532, Gid: 65532, Groups: []uint32{65531}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS")
	return true
}

// TestVirtiofsdOutlivesTheStartOfTheOthers: the thread that starts a process ends, and virtiofsd
// must not end with it.
func TestVirtiofsdOutlivesTheStartOfTheOthers(t *testing.T) {
	if asUser(t) {
		return
	}
	var all []process
	for n := range 40 { // on as many threads as may be
		all = append(all, process{Name: "sleep", Argv: []string{"sleep", "60"}, Lends: n%2 == 0})
	}
	all = append(all, process{Name: "main", Argv: []string{"sleep", "0.1"}, Main: true})
	for range 4 {
		room, err := openRoom(all, "")
		require.NoError(t, err)
		require.NoError(t, room.Wait())
	}
}

// TestVirtiofsdStartsForAMemberOfGroups: it drops its supplementary groups first, which no process
// can in an unprivileged user namespace. setpriv(1) does the same, and says what came of it.
func TestVirtiofsdStartsForAMemberOfGroups(t *testing.T) {
	if asUser(t) {
		return
	}
	groups, err := os.Getgroups()
	require.NoError(t, err)
	if !slices.ContainsFunc(groups, func(g int) bool { return g != os.Getgid() }) {
		t.Skip("this user has no supplementary group")
	}
	argv := []string{"setpriv", "--clear-groups", "echo", "cleared"}
	out := inRoom(t, process{Lends: true, Argv: argv})
	require.Equal(t, "cleared\n", out)
}

// inRoom runs a process in a room, and returns what it prints.
func inRoom(t *testing.T, p process) string {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	p.Name, p.Out, p.Main = p.Argv[0], w, true
	room, err := openRoom([]process{p}, "")
	require.NoError(t, w.Close())
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, room.Wait(), string(out))
	return string(out)
}
