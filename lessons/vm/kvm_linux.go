package vm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/lessons/vm/wire"
)

// kvmTime is how long a kernel may take to its /init where the processor runs it itself. It takes one second.
const kvmTime = 5 * time.Second

// NoKVM tells why QEMU emulates the processor on this machine, "" if the processor may run a guest itself.
func NoKVM() string { return kvmHere() }

// kvmHere tells why the processor's own virtualization cannot be used, "" if it is worth a try. /dev/kvm can be
// opened on machines where no guest ever gets to its first instruction (a VM in a VM, for one).
func kvmHere() (why string) {
	if err := unix.Access("/dev/kvm", unix.R_OK|unix.W_OK); err != nil {
		if err == unix.EACCES {
			return "no right to use /dev/kvm: sudo usermod -aG kvm $USER, and log in again"
		}
		return "no /dev/kvm"
	}
	if text, err := os.ReadFile(kvmNote()); err == nil && string(text) == boot() {
		return "KVM was tried since the last boot, and did not run a kernel; to try again: rm " + kvmNote()
	}
	return ""
}

// kvmNote is the file that remembers that KVM does not work, so that only the first start waits for it. The directory
// for it is the one that is emptied when the user logs out; or else the one for what can be found out again.
func kvmNote() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir, _ = os.UserCacheDir() // none: the note is not written, which is told
	}
	return filepath.Join(dir, "containerkit-kvm")
}

// boot is the number of this boot of the machine: another kernel or another setting may change the answer.
func boot() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// kvmFailed remembers that KVM does not work here.
func kvmFailed() error {
	if err := os.MkdirAll(filepath.Dir(kvmNote()), 0o755); err != nil {
		return err
	}
	return os.WriteFile(kvmNote(), []byte(boot()), 0o644)
}

// alive waits until the machine's /init has said hello, and reports whether it did in time. Nothing of the stream is lost.
func alive(m *Machine, d time.Duration) error {
	type result struct {
		kind wire.Kind
		err  error
	}
	read := make(chan result, 1)
	go func() {
		kind, _, err := wire.Read(m.Conn)
		read <- result{kind, err}
	}()
	var err error
	select {
	case r := <-read:
		if err = r.err; err == nil {
			var again bytes.Buffer
			_ = wire.NewWriter(&again).Write(r.kind, nil)
			m.Conn = conn{io.MultiReader(&again, m.Conn), m.Conn}
			return nil
		}
	case <-time.After(d):
		err = fmt.Errorf("no kernel has started in %v", d)
	}
	m.Kill()
	if why := m.Wait(); why != nil && !strings.Contains(why.Error(), "killed") {
		err = why
	}
	m.Conn.Close()
	said, _ := io.ReadAll(m.Console) // QEMU's own words, if it was QEMU that gave up
	if lines := strings.Split(strings.TrimSpace(string(said)), "\n"); lines[0] != "" {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(lines[len(lines)-1]))
	}
	return err
}

// conn is a stream of which a part was read and put back.
type conn struct {
	io.Reader
	io.WriteCloser
}
