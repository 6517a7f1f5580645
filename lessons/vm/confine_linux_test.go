package vm

import (
	"fmt"
	"os"
	"slices"
	"strings"
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
							if namespace.Capable(unix.CAP_SETUID) {
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
