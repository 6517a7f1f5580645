package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network"
	"containerkit/04-network/network/lo"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/course"
	"containerkit/lessons/kit/errno"
)

// The offsets of a time namespace are written for the main thread, and the children that enter it must start there.
func init() { runtime.LockOSThread() }

// try makes the attempt.
func try(f course.Feature) Result {
	if p := proc(); p.Advice != "" {
		return Result{Outcome: CannotTell, Why: "not tried, because of /proc", Fix: "See /proc, above."}
	}
	switch f {
	case course.Cgroups:
		return group("a group was made, and removed", cgroup.Resources{}, nil)
	case course.Pids:
		return group("a group was made with a limit, which was read back", cgroup.Resources{Pids: 100}, nil)
	case course.Memory:
		return group("a group was made with a limit, which was read back", cgroup.Resources{Memory: 64 << 20}, nil)
	case course.CPU:
		return group("a group was made with a limit, which was read back", cgroup.Resources{CPU: 0.5}, nil)
	case course.Cpuset:
		return cpuset()
	case course.IO:
		return disk()
	case course.Freezer:
		return group("a group was frozen and thawed", cgroup.Resources{}, func(g *cgroup.Group) error { return errors.Join(g.Freeze(), g.Thaw()) })
	case course.PSI:
		return pressure()
	case course.CPUs2:
		return twoCPUs()
	}
	return inNamespaces(f)
}

// --- cgroups: a group is made with the limit, which is read back, and removed

func group(saw string, r cgroup.Resources, do func(*cgroup.Group) error) Result {
	g, err := cgroup.New("doctor", r)
	if err != nil {
		return refused(err)
	}
	if do != nil {
		err = do(g)
	}
	if err := errors.Join(err, g.Remove()); err != nil {
		return refused(err)
	}
	return Result{Why: saw}
}

func affinity() (unix.CPUSet, error) {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(0, &set)
	return set, os.NewSyscallError("sched_getaffinity", err)
}

func cpuset() Result {
	set, err := affinity()
	if err != nil {
		return refused(err)
	}
	first := 0
	for !set.IsSet(first) {
		first++
	}
	return group(fmt.Sprintf("a group was held to CPU %d", first), cgroup.Resources{CPUs: fmt.Sprint(first)}, nil)
}

func disk() Result {
	dir := os.TempDir()
	for _, d := range []string{os.TempDir(), "/var/tmp", "."} { // where the step looks, too
		if _, _, err := cgroup.Disk(d); err == nil {
			dir = d
			break
		}
	}
	device, name, err := cgroup.Disk(dir)
	if err != nil {
		return Result{Outcome: Unsupported, Why: err.Error(),
			Fix: "Choose a directory on a disk of its own (ext4, xfs; not tmpfs, overlay, btrfs):\n$ TMPDIR=/path/on/a/disk go run ./lessons doctor"}
	}
	return group(fmt.Sprintf("a limit for writing to %s (%s) was set", name, device),
		cgroup.Resources{IO: []cgroup.IOLimit{{Device: device, Write: 4 << 20, DeviceDir: dir}}}, nil)
}

func pressure() Result {
	raw, err := os.ReadFile("/proc/pressure/cpu")
	if err == nil {
		var some string
		_, _ = fmt.Sscan(string(raw), &some, &some)
		return Result{Why: "/proc/pressure/cpu says " + some}
	}
	return Result{Outcome: Unsupported, Why: err.Error(), Fix: "The kernel can, if it was built with CONFIG_PSI, once it boots with psi=1:\n" + bootWith("psi=1")}
}

func twoCPUs() Result {
	set, err := affinity()
	if err != nil {
		return refused(err)
	}
	if n := set.Count(); n < 2 {
		return Result{Outcome: Unsupported, Why: "this process may use one CPU only", Fix: "Give the VM a second CPU, or start without taskset."}
	}
	return Result{Why: fmt.Sprintf("this process may use %d", set.Count())}
}

// --- everything else: a process is born in new namespaces and does there what the steps will do

// A trial is what a process does in namespaces of its own. It returns what it saw.
type trial struct {
	in namespace.Set
	do func() (string, error)
}

var trials map[course.Feature]trial

// (A variable that runs trials cannot be initialized with them: the compiler sees a cycle.)
func init() {
	trials = map[course.Feature]trial{
		course.PIDNS: {namespace.PID | namespace.Mount, func() (string, error) {
			if err := namespace.MakePrivate(); err != nil {
				return "", err
			}
			return fmt.Sprintf("a process was number %d in it, with a /proc of its own", os.Getpid()), namespace.MountProc("/proc")
		}},
		course.UTSNS: {namespace.UTS, func() (string, error) {
			return "a hostname was set in it", namespace.SetHostname("containerkit-doctor")
		}},
		course.MountNS: {namespace.Mount, func() (string, error) { _, err := private(); return "a tmpfs was mounted in it", err }},
		course.IPCNS:   {namespace.IPC, func() (string, error) { return "a process was born in it", nil }},
		course.UserNS: {namespace.User | namespace.UTS, func() (string, error) {
			// Not only the namespace, but a capability in it: AppArmor may grant the one and refuse the other.
			return fmt.Sprintf("a process was user %d in it, with its capabilities", os.Getuid()), namespace.SetHostname("containerkit-doctor")
		}},
		course.NetNS:  {namespace.Net, func() (string, error) { return "loopback was switched on in it", lo.Up() }},
		course.TimeNS: {0, timeTrial},
		course.CgroupNS: {0, func() (string, error) {
			if err := namespace.UnshareCgroup(); err != nil {
				return "", err
			}
			return "a process made one", nil
		}},
		course.Overlay:  {namespace.Mount, overlayTrial},
		course.Bridge:   {namespace.Net, bridgeTrial},
		course.Nftables: {namespace.Net, nftTrial},
		course.Terminal: {namespace.Mount, terminalTrial},
	}
}

// answer is what the child found.
type answer struct {
	Saw string
	NS  map[string]uint64
}

var trialChild = child.Register("doctor", func(c *child.Conn) error {
	var f course.Feature
	if err := c.Receive(&f); err != nil {
		return err
	}
	saw, err := trials[f].do()
	if err != nil {
		return err
	}
	ns, err := procfs.Of(os.Getpid())
	if err != nil && f == course.PIDNS { // numbers may not fit /proc for a moment
		err = nil
	}
	return errors.Join(err, c.Send(answer{saw, ns}))
})

func inNamespaces(f course.Feature) Result {
	t, ok := trials[f]
	if !ok {
		return Result{Outcome: CannotTell, Why: "the doctor does not know this feature"}
	}
	spec := namespace.AsNeeded(t.in)
	saw, err := perform(f, spec)
	if err != nil {
		return explain(f, err)
	}
	if spec.New&namespace.User != 0 && f != course.UserNS {
		saw += " (in a user namespace)"
	} else if f == course.Overlay {
		// Root's container has a user namespace as well.
		if _, err := perform(f, namespace.AsNeeded(t.in|namespace.User)); err != nil {
			r := explain(f, err)
			r.Why = "only outside of a user namespace; inside: " + r.Why
			return r
		}
		saw += ", in a user namespace as well"
	}
	return Result{Why: saw}
}

// perform makes the attempt in a child, and checks that the child was in new namespaces indeed.
func perform(f course.Feature, spec namespace.Spec) (saw string, err error) {
	p, err := child.Command(trialChild)
	if err != nil {
		return "", err
	}
	defer p.Close()
	spec.Apply(p.Cmd)
	if err := p.Start(); err != nil {
		return "", fmt.Errorf("make namespaces (%s): %w", spec.New, err)
	}
	var a answer
	if err := errors.Join(p.Send(f), p.Receive(&a)); err != nil {
		return "", err
	}
	ours, err := procfs.Of(os.Getpid())
	if err != nil {
		return "", err
	}
	for _, ty := range namespace.Types() {
		if spec.New&ty.Flag != 0 && a.NS[ty.Name] == ours[ty.Name] {
			return "", fmt.Errorf("the kernel was asked for a new %s namespace and gave the old one", ty.Name)
		}
	}
	return a.Saw, nil
}

// private makes an empty directory in memory that nobody else sees.
func private() (dir string, err error) {
	if err := namespace.MakePrivate(); err != nil {
		return "", err
	}
	const at = "/tmp"
	if err := unix.Mount("containerkit-doctor", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return "", &os.PathError{Op: "mount tmpfs on", Path: at, Err: err}
	}
	return at, nil
}

// timeTrial shifts a clock by a day and lets a child look at it.
func timeTrial() (string, error) {
	const day = 24 * time.Hour
	_, before, err := namespace.Clocks()
	if err != nil {
		return "", err
	}
	if err := namespace.UnshareTime(0, day); err != nil {
		return "", err
	}
	p, err := child.Command(clockChild)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if err := p.Start(); err != nil {
		return "", err
	}
	var inside time.Duration
	if err := p.Receive(&inside); err != nil {
		return "", err
	}
	if off := inside - before; off < day || off > day+time.Minute {
		return "", fmt.Errorf("the clock inside is off by %s instead of a day", off)
	}
	return "a process in it saw an uptime of one day more", nil
}

var clockChild = child.Register("doctor-clock", func(c *child.Conn) error {
	_, boot, err := namespace.Clocks()
	return errors.Join(err, c.Send(boot))
})

// overlayTrial writes through an overlay and looks whether the lower layer stayed as it was.
func overlayTrial() (string, error) {
	dir, err := private()
	if err != nil {
		return "", err
	}
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	err = errors.Join(err, os.WriteFile(dir+"/lower/file", []byte("lower"), 0o644))
	if err != nil {
		return "", err
	}
	if err := rootfs.Overlay([]string{dir + "/lower"}, dir+"/upper", dir+"/work", dir+"/merged", 0); err != nil {
		return "", err
	}
	if err := os.WriteFile(dir+"/merged/file", []byte("written"), 0o644); err != nil {
		return "", err
	}
	if lower, err := os.ReadFile(dir + "/lower/file"); err != nil || string(lower) != "lower" {
		return "", fmt.Errorf("the lower layer holds %q after a write on top of it: %w", lower, err)
	}
	return "mounted, and a write went to its upper layer", nil
}

var trialBridge = network.Bridge{Name: "containerkit0", Subnet: netip.MustParsePrefix("10.88.0.0/24")}

func bridgeTrial() (string, error) {
	if err := trialBridge.Create(); err != nil {
		return "", err
	}
	if err := network.Cable(nil, "ck-here", "ck-there"); err != nil {
		return "", err
	}
	return "a bridge and a veth cable were made and plugged", network.Plug(trialBridge.Name, "ck-here")
}

func nftTrial() (string, error) {
	if err := network.Masquerade(trialBridge); err != nil {
		return "", err
	}
	rules, err := network.Rules()
	if err != nil || len(rules) == 0 {
		return "", fmt.Errorf("the kernel took a NAT rule and does not show it: %w", err)
	}
	return fmt.Sprintf("a table with NAT was made, and read back: %d rule(s)", len(rules)), nil
}

func terminalTrial() (string, error) {
	dir, err := private()
	if err != nil {
		return "", err
	}
	// newinstance: terminals of our own, not the host's (the kernel's devpts document).
	if err := unix.Mount("devpts", dir, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666"); err != nil {
		return "", &os.PathError{Op: "mount devpts on", Path: dir, Err: err}
	}
	f, err := os.OpenFile(dir+"/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	return fmt.Sprintf("a new devpts gave out its terminal %d", n), os.NewSyscallError("ioctl(TIOCGPTN)", err)
}

// --- outcomes

// refusals are the answers by which a kernel says that it will not, or cannot. Any other error (EAGAIN, ENOMEM, a
// child that died) says nothing about the feature.
var refusals = []syscall.Errno{
	unix.EPERM, unix.EACCES, unix.EROFS, unix.ENOSYS, unix.EINVAL, unix.ENODEV, unix.ENOENT, unix.ENOSPC, unix.EUSERS,
	unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT,
}

// refused sorts an error into unsupported and cannot tell.
func refused(err error) Result {
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		return Result{Outcome: Unsupported, Why: no.Reason, Fix: no.Fix}
	}
	for _, e := range refusals {
		if errors.Is(err, e) {
			return Result{Outcome: Unsupported, Why: err.Error(), Fix: errno.Explain(err)}
		}
	}
	return Result{Outcome: CannotTell, Why: err.Error(), Fix: errno.Explain(err)}
}

// explain adds the fix that a feature is known by.
func explain(f course.Feature, err error) Result {
	r := refused(err)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		r.Fix = cmp.Or(errno.NoUserNamespace(), r.Fix, errno.Explain(err))
		return r // a module would not help
	}
	if module, ok := modules[f]; ok && r.Outcome == Unsupported {
		r.Fix = load(module)
	}
	if f == course.TimeNS && r.Outcome == Unsupported {
		r.Fix = "A kernel of 5.6 or later with CONFIG_TIME_NS has it. WSL2's own kernel is built without, and so is User-mode Linux: take another kernel or a VM."
	}
	return r
}
