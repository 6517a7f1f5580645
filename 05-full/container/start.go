//go:build linux

package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/initproc"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
)

// A Container is a running container.
type Container struct {
	// Process is its PID 1, as seen from the host.
	Process *procfs.Process
	// Group is its cgroup; nil if it has no limits.
	Group *cgroup.Group
	// Unmapped says why the files of Config.Root belong to user 65534 inside, if they do. See
	// rootfs.Sources.Map.
	Unmapped error
	// Terminal is our end of the container's terminal; nil if it has none.
	Terminal *os.File

	conn  conn  // to PID 1, which has a last word if it fails
	limit int64 // on memory, in bytes

	// Each of these runs once and can be called concurrently, as when Close runs beside Wait.
	reap    func() (unix.WaitStatus, error)
	end     func() (status int, err error)
	destroy func() error
}

// Start builds a container and starts its command. On failure it leaves nothing behind. An error
// that the command causes has its own exit status: see Status.
//
// The kernel kills the container when the thread that calls Start exits (prctl(2),
// PR_SET_PDEATHSIG). Call Start from the main goroutine, locked to the main thread. Then the
// container does not outlive the program, not even after kill -9.
func Start(c Config) (_ *Container, err error) {
	if c, err = c.complete(); err != nil {
		return nil, err
	}
	// Check /proc before anything exists that could affect another process: an ID map, a network, a
	// cgroup.
	if err := procfs.Check(); err != nil {
		return nil, err
	}
	b := &builder{Config: c, ct: newContainer(c.Resources.Memory), spec: namespace.Container()}
	defer b.close()
	if err = b.build(); err != nil {
		return nil, errors.Join(err, b.ct.destroy())
	}
	return b.ct, nil
}

func newContainer(memory int64) *Container {
	ct := &Container{conn: conn{-1}, limit: memory}
	ct.reap = sync.OnceValues(func() (unix.WaitStatus, error) { return ct.Process.Wait() })
	ct.end = sync.OnceValues(ct.awaitEnd)
	ct.destroy = sync.OnceValue(ct.remove)
	return ct
}

// A builder does the outer part of the assembly, in order. PID 1 does the rest (init.go).
type builder struct {
	Config
	ct    *Container
	spec  namespace.Spec
	tasks []*os.File // of the cgroup on v1: see cgroup.JoinFiles

	sources *rootfs.Sources // the host's files that the root is made of

	open []*os.File // files that PID 1 has copies of
}

func (b *builder) build() (err error) {
	if b.sources, err = rootfs.Open(b.Root); err != nil {
		return err
	}
	if err := b.sources.Clone(); err != nil {
		return err
	}
	if err := b.limit(); err != nil {
		return err
	}
	if err := b.startInit(); err != nil {
		return err
	}
	defer b.watchCancel()()
	if err := b.mapSources(); err != nil {
		return err
	}
	if b.Connect != nil {
		if err := b.Connect(b.ct.Process); err != nil {
			return err
		}
	}
	if err := b.ct.conn.send(b.plan(), b.sources.Files()...); err != nil {
		return b.explain(err)
	}
	return b.listen()
}

// limit creates the cgroup. It comes first, so that PID 1 is in it from the start.
func (b *builder) limit() error {
	if b.Resources.Empty() {
		return nil
	}
	h, err := cgroup.Find()
	if err != nil {
		return err
	}
	if b.ct.Group, err = h.New("container", b.Resources); err != nil {
		return err
	}
	b.tasks, err = b.ct.Group.JoinFiles()
	b.open = append(b.open, b.tasks...)
	return err
}

// startInit re-executes this program as PID 1 in new namespaces.
func (b *builder) startInit() error {
	files, err := b.files()
	if err != nil {
		return err
	}
	b.spec.OwnStreams(files[:3]...)
	exe, err := initproc.Executable()
	if err != nil {
		return err
	}
	b.open = append(b.open, exe)
	var theirs *os.File
	if b.ct.conn, theirs, err = pair(); err != nil {
		return err
	}
	b.open = append(b.open, theirs)
	birth := namespace.Birth{Tasks: b.tasks, Inherit: b.Without&Descriptors != 0}
	birth.Attr.Pdeathsig = syscall.SIGKILL
	// Signals from our terminal or to our process group reach PID 1 only through us: once, and not
	// before it catches signals.
	birth.Attr.Setsid = true
	if b.ct.Group != nil && b.ct.Group.FD() >= 0 { // on v2; on v1 there are the tasks
		birth.Attr.UseCgroupFD, birth.Attr.CgroupFD = true, b.ct.Group.FD()
	}
	b.ct.Process, err = b.spec.Start(namespace.Program{
		Path: "/proc/self/exe", File: exe, Args: []string{initName}, Env: initproc.Env,
		Files: append(append(files[:3:3], theirs), files[3:]...),
	}, birth)
	if err != nil {
		return b.ct.blameMemory(fmt.Errorf("start PID 1: %w", err))
	}
	_ = theirs.Close() // when PID 1 exits, our end says so
	return nil
}

// files returns the command's file descriptors: the three standard ones, and Extra.
func (b *builder) files() ([]*os.File, error) {
	files := append([]*os.File{b.Stdin, b.Stdout, b.Stderr}, b.Extra...)
	for i, f := range files {
		if f == nil {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return nil, err
			}
			files[i], b.open = null, append(b.open, null)
			continue
		}
		// A directory of the host is a way out of any root: its ".." leads to the host's.
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, fmt.Errorf("container: descriptor %d, %s, is a directory of the host, "+
				"which would lead out of the container", i, f.Name())
		}
	}
	return files, nil
}

// mapSources keeps the owners of the files in Config.Root: files of root belong to root inside. If
// the kernel cannot do that, they belong to UID 65534.
func (b *builder) mapSources() error {
	if !b.spec.Shifted() || b.Root.OnBoard() {
		return nil
	}
	users, err := b.ct.Process.Namespace("user")
	if err != nil {
		return err
	}
	defer users.Close()
	b.ct.Unmapped = b.sources.Map(users)
	return nil
}

// plan returns the message that PID 1 builds the container from.
func (b *builder) plan() plan {
	return plan{Args: b.Args, Env: b.Env, Dir: b.Dir, Hostname: b.Hostname, Root: b.sources.Spec,
		Files: 3 + len(b.Extra), Terminal: b.Terminal, Size: b.Size,
		Trace: b.Trace != nil, Without: b.Without}
}

// watchCancel kills PID 1 if the caller cancels before the container is built.
func (b *builder) watchCancel() (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-b.Cancel:
			_ = b.ct.Kill()
		case <-done:
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// listen receives from PID 1 which parts are done, until the command runs or a part fails.
func (b *builder) listen() error {
	for {
		var a answer
		files, err := b.ct.conn.receive(&a)
		for _, f := range files { // the terminal's outer end
			b.ct.Terminal = f
		}
		switch {
		case err != nil:
			return b.explain(err)
		case a.Started:
			return nil
		case a.Error != "":
			return b.ct.blameMemory(a.err())
		}
		if err := b.trace(a.Done); err != nil {
			return err
		}
	}
}

// trace calls Trace for a part, then lets PID 1 continue.
func (b *builder) trace(part Part) error {
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		b.Trace(b.ct.Process, part)
	}()
	select {
	case <-seen:
		return b.explain(b.ct.conn.send(answer{Done: part}))
	case <-b.Cancel: // the caller may never return from Trace
		return errCanceled
	}
}

var errCanceled = errors.New("container: canceled before it was built")

// explain returns an error that says why PID 1 closed the connection.
func (b *builder) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return err
	}
	select {
	case <-b.Cancel:
		return errCanceled
	default:
	}
	ws, err := b.ct.reap()
	if err == nil && ws.Signaled() {
		return b.ct.blameMemory(fmt.Errorf("container: PID 1 was killed by signal %d (%s) "+
			"before the command ran", int(ws.Signal()), ws.Signal()))
	}
	return fmt.Errorf("container: PID 1 exited with status %d before the command ran", ws.ExitStatus())
}

func (b *builder) close() {
	if b.sources != nil {
		b.sources.Close()
	}
	for _, f := range b.open {
		_ = f.Close()
	}
}

// Signal sends a signal to PID 1, which forwards it to the command.
func (ct *Container) Signal(s syscall.Signal) error { return ct.Process.Signal(s) }

// Wait waits until the command has exited, removes what Start made, and returns the command's exit
// status: 128+n if signal n ended it.
func (ct *Container) Wait() (status int, err error) {
	status, err = ct.end()
	return status, errors.Join(err, ct.destroy())
}

// awaitEnd waits for PID 1 to exit, and for its last message.
func (ct *Container) awaitEnd() (status int, err error) {
	ws, err := ct.reap()
	switch {
	case err != nil:
		return 125, err
	case ws.Signaled():
		return 128 + int(ws.Signal()), ct.killedForMemory(ws.Signal())
	}
	var last answer
	if _, err := ct.conn.receive(&last); err == nil {
		return 125, last.err() // PID 1 itself failed
	}
	return ws.ExitStatus(), ct.killedForMemory(syscall.Signal(ws.ExitStatus() - 128))
}

// Run starts a container and waits until its command has exited.
func Run(c Config) (status int, err error) {
	ct, err := Start(c)
	if err != nil {
		return Status(err), err
	}
	return ct.Wait()
}

// Status returns the exit status for an error: 125, unless the command causes it.
func Status(err error) int {
	var f *failure
	if errors.As(err, &f) && f.status != 0 {
		return f.status
	}
	return 125
}

// Kill terminates the container at once: when PID 1 exits, the kernel kills all other processes
// inside.
func (ct *Container) Kill() error { return ct.Signal(unix.SIGKILL) }

// Close terminates the container, if it still runs, and removes what Start created. Call Wait or
// Close; both are allowed, also at the same time.
func (ct *Container) Close() error { return ct.destroy() }

// remove removes what Start created. The kernel destroys the namespaces with the last process in
// them.
func (ct *Container) remove() error {
	if ct.Process != nil {
		_ = ct.Kill()
		_, _ = ct.end()
		_ = ct.Process.Close()
	}
	ct.conn.close()
	if ct.Terminal != nil {
		_ = ct.Terminal.Close()
	}
	if ct.Group == nil {
		return nil
	}
	return ct.Group.Remove()
}
