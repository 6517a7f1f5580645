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

// TestTheEnginesProcessesCanDoLittle looks at each of them from outside while a guest runs: what it may not do, no guest
// can make it do, whatever becomes of the guest's kernel.
func TestTheEnginesProcessesCanDoLittle(t *testing.T) {
	const chroot, file = capability.CAP_SYS_CHROOT, capability.CAP_DAC_OVERRIDE
	read := maskOf(capability.CAP_DAC_READ_SEARCH, capability.CAP_FOWNER)
	own := maskOf(file, capability.CAP_CHOWN, capability.CAP_FOWNER, capability.CAP_FSETID)
	write := own | maskOf(capability.CAP_SETUID, capability.CAP_SETGID)
	type most struct {
		has, bounding uint64
		count         int // of such processes, at least
	}
	for share, all := range map[string]map[string]most{
		"ro": {
			"qemu-system": {0, 0, 1},
			"virtiofsd":   {read, read | maskOf(chroot), 1},
			"linux.uml":   {maskOf(file), maskOf(file), 2}, // the kernel's, and at least one for the guest's programs
		},
		"rw": {
			"qemu-system": {0, 0, 1},
			"virtiofsd":   {read | write, read | write | maskOf(chroot), 2},
			"linux.uml":   {own, own, 2},
		},
	} {
		t.Run(share, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, engine string) {
				r, end := running(t, engine, func(c *Config) { c.Share = share })
				names := map[string]int{}
				for _, line := range r.processes() {
					pid, comm, _ := strings.Cut(line, " ")
					for name, most := range all {
						if !strings.HasPrefix(comm, name) {
							continue
						}
						names[name]++
						s := statusOfProcess(t, pid)
						for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
							require.Zero(t, s.caps(t, set)&^most.has, "%s: %s %s", line, set, s[set])
						}
						require.Zero(t, s.caps(t, "CapBnd")&^most.bounding, "%s: CapBnd %s", line, s["CapBnd"])
						require.Equal(t, "1", s["NoNewPrivs"], "%s: NoNewPrivs", line)
						require.Equal(t, "2", s["Seccomp"], "%s: Seccomp, 2 is a filter", line)
						if name == "qemu-system" {
							own := s["Seccomp_filters"] // besides ours
							require.Equal(t, "2", own, "%s: QEMU has its own filter as well", line)
							if namespace.Capable(unix.CAP_SETUID) && mapped(engineUser) && !groupsDenied() {
								require.Equal(t, strings.Fields(s["Uid"])[0], fmt.Sprint(engineUser), line)
								require.Equal(t, strings.Fields(s["Gid"])[0], fmt.Sprint(engineUser), line)
								require.NotContains(t, strings.Fields(s["Groups"]), "0", line)
							}
						}
						requireReadOnly(t, pid, share == "rw")
					}
				}
				for name, n := range names {
					require.GreaterOrEqual(t, n, all[name].count, "%s: %v", name, r.processes())
				}
				require.Len(t, names, map[string]int{"qemu": 2, "uml": 1}[engine], "%v", r.processes())
				end()
			})
		})
	}
}

// requireReadOnly looks at the mounts of a process: proc_pid_mountinfo(5), the fourth field is the mount's root in its
// file system, the fifth the mount point, the sixth its options. One virtiofsd has the shared directory as its root.
func requireReadOnly(t *testing.T, pid string, shared bool) {
	table, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	require.NoError(t, err)
	cwd, err := os.Getwd()
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		from, point, options := fields[3], fields[4], strings.Split(fields[5], ",")
		device := slices.Contains(roomDevices, point)
		checkout := shared && (point == roomShare || point == "/" && from != "/" && strings.HasPrefix(cwd, from))
		if device || checkout || point == roomTop {
			continue
		}
		require.Contains(t, options, "ro", "writable: %s", line)
		require.Contains(t, options, "nodev", "has devices: %s", line)
	}
}

// running starts a VM whose command waits. The function that it returns lets the command end, and checks that nothing is
// left of the VM.
func running(t *testing.T, engine string, change func(c *Config)) (r *vmRun, end func()) {
	r = prepare(t, engine, change, "sh", "-c", "echo ready; cat")
	if namespace.Capable(unix.CAP_SETGID) && !groupsDenied() { // root has supplementary groups too, if it has logged in
		r.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{0, 5}}}
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

// TestARoomHasNoWayOut starts a shell in place of an engine, and lets it try what an engine does not do. The control is
// the same shell, which has what an engine needs.
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
		require.Regexp(t, `(?m)^/run:\n[234]$`, out, "its /proc has other processes than PID 1, sh, ls and wc")
	}
}

// userEnv makes the test binary one test, as another user.
const userEnv = "CONTAINERKIT_TEST_AS_USER"

// asUser runs the calling test once more in a process of an ordinary user who is in a group, if we are root. It returns
// false where the test is to be run.
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

// TestVirtiofsdOutlivesTheStartOfTheOthers: the thread that starts a process ends, and virtiofsd must not end with it.
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

// TestVirtiofsdStartsForAMemberOfGroups: it drops its supplementary groups first, which no process can in an unprivileged
// user namespace. setpriv(1) does the same, and says what came of it.
func TestVirtiofsdStartsForAMemberOfGroups(t *testing.T) {
	if asUser(t) {
		return
	}
	groups, err := os.Getgroups()
	require.NoError(t, err)
	if !slices.ContainsFunc(groups, func(g int) bool { return g != os.Getgid() }) {
		t.Skip("this user has no supplementary group")
	}
	out := inRoom(t, process{Lends: true, Argv: []string{"setpriv", "--clear-groups", "echo", "cleared"}})
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
